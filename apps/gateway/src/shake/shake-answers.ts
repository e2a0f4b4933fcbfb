import { type PreparedAnswer, prepareAnswer } from '../process/raw-answer.ts';

/** Waits are told in steps of this; rounded up, so that nobody is called before the turn. */
const waitStepMs = 10;
/** Waits up to here have an answer each from the start: no pace asks for more (see event-turns.ts). */
const readyWaitMaxMs = 10_000;
/** Longer waits, of events whose own interval is long, are rounded up to this and made when they are first needed. */
const longWaitStepMs = 1000;
/** Nobody is told to wait longer: an event's interval is at most a minute, and the turn lies within the slot after it. */
const waitMaxMs = 120_000;

const readyCount = readyWaitMaxMs / waitStepMs + 1;

/**
 * Ready-made answers that differ in their wait alone, one for each wait: no shake makes an answer of its own. Bounded by
 * `readyCount` and a hundred long waits.
 */
export class WaitAnswers {
  private readonly ready: readonly PreparedAnswer[];
  private readonly long: (PreparedAnswer | undefined)[] = [];

  constructor(private readonly make: (nextShakeMs: number) => object) {
    this.ready = Array.from({ length: readyCount }, (_, step) => prepareAnswer(make(step * waitStepMs)));
  }

  /** The answer that tells to wait `waitMs` (at least 0), or up to a step more. */
  of(waitMs: number): PreparedAnswer {
    const step = Math.ceil(waitMs / waitStepMs);
    return step < readyCount ? this.ready[step]! : this.longOf(Math.ceil(Math.min(waitMs, waitMaxMs) / longWaitStepMs));
  }

  private longOf(step: number): PreparedAnswer {
    this.long[step] ??= prepareAnswer(this.make(step * longWaitStepMs));
    return this.long[step];
  }
}

const ringSize = 64;

/** Answers dealt round to clients of whom nothing is known: their waits are spread over [base, base × 1.5). */
export class AnswerRing {
  private readonly answers: readonly PreparedAnswer[];
  private at = 0;

  constructor(make: (nextShakeMs: number) => object, baseMs: number) {
    this.answers = Array.from({ length: ringSize }, (_, i) =>
      // 37 is coprime to the size: neighbours in the ring lie far apart
      prepareAnswer(make(Math.floor(baseMs * (1 + ((i * 37) % ringSize) / ringSize / 2)))),
    );
  }

  next(): PreparedAnswer {
    this.at = (this.at + 1) % ringSize;
    return this.answers[this.at]!;
  }
}

const restMessage = 'Take a break: many are shaking right now.';

export const missOf = (nextShakeMs: number): object => ({ result: 'miss', nextShakeMs });
export const restOf = (nextShakeMs: number): object => ({ result: 'rest', nextShakeMs, message: restMessage });
export const missAnswers = new WaitAnswers(missOf);
export const restAnswers = new WaitAnswers(restOf);
export const overAnswer = prepareAnswer({ result: 'over' });
export const limitAnswer = prepareAnswer({ result: 'limit' });

export function notStartedAnswer(startsInMs: number): PreparedAnswer {
  return prepareAnswer({ result: 'not_started', startsInMs });
}
