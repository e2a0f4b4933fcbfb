import { type PreparedAnswer, prepareAnswer } from '../process/raw-answer.ts';

/** Answers dealt round: enough that neighbours in time are told different waits, few enough to remake each tick. */
const ringSize = 64;
/** Coprime to the size, so that neighbours in the ring lie far apart. */
const ringStep = 37;
/** Waits are spread over [base, base × 1.5): never shorter than the user's slot, or the next shake would meet the same luck. */
const jitterShare = 0.5;

/** A wait for one client: at least `baseMs`, jittered by `fraction` in [0, 1). Whole milliseconds. */
export function jitteredMs(baseMs: number, fraction: number): number {
  return Math.floor(baseMs * (1 + jitterShare * fraction));
}

/** Ready-made answers that differ in their wait alone; remade off the hot path. */
export class AnswerRing {
  private readonly answers: PreparedAnswer[] = [];
  private at = 0;
  private baseMs = Number.NaN;

  constructor(
    private readonly make: (nextShakeMs: number) => object,
    baseMs: number,
  ) {
    this.refill(baseMs);
  }

  /** Remakes the answers for waits from `baseMs` on, each at a random place of its own part of the span. */
  refill(baseMs: number): void {
    this.baseMs = baseMs;
    for (let i = 0; i < ringSize; i++) {
      const part = (i * ringStep) % ringSize;
      this.answers[i] = prepareAnswer(this.make(jitteredMs(baseMs, (part + Math.random()) / ringSize)));
    }
  }

  /** Remakes the answers if their base is another by now. */
  follow(baseMs: number): void {
    if (baseMs !== this.baseMs) this.refill(baseMs);
  }

  next(): PreparedAnswer {
    this.at = (this.at + 1) % ringSize;
    return this.answers[this.at]!;
  }
}

const restMessage = 'Take a break: many are shaking right now.';

export const missOf = (nextShakeMs: number): object => ({ result: 'miss', nextShakeMs });
export const restOf = (nextShakeMs: number): object => ({ result: 'rest', nextShakeMs, message: restMessage });
export const overAnswer = prepareAnswer({ result: 'over' });
export const limitAnswer = prepareAnswer({ result: 'limit' });

export function notStartedAnswer(startsInMs: number): PreparedAnswer {
  return prepareAnswer({ result: 'not_started', startsInMs });
}
