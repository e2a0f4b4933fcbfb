import type { EventView, ShakeAnswer } from '#libs/contracts';
import { backoffMs } from './backoff.ts';
import { HongbaoAbortedError, HongbaoAnswerError, HongbaoLostError, HongbaoProblemError } from './errors.ts';
import { isPassing, type Reply } from './http.ts';
import type { Pursuer } from './pursue.ts';

export type ShakeHit = Extract<ShakeAnswer, { result: 'hit' }>;

export interface ShakeLoopOptions {
  readonly signal?: AbortSignal;
  /** Called for each hit; the loop does not wait for it: open the ticket from here. */
  readonly onHit: (hit: ShakeHit) => void;
  /** Called for every answer, hits included. */
  readonly onAnswer?: (answer: ShakeAnswer) => void;
}

/** Why the loop ended. `limit`: the user holds what the event allows, and no ticket is left whose expiry could free a place. */
export interface ShakeLoopEnd {
  readonly end: 'over' | 'limit' | 'aborted';
  readonly shakes: number;
  readonly hits: number;
}

/** What the loop needs of its client. */
export interface Shaker {
  readonly pursuer: Pursuer;
  readonly label: string;
  /** Tried for as long as shakes are; makes the session where there is none. */
  event(signal?: AbortSignal): Promise<EventView>;
  shake(signal?: AbortSignal): Promise<Reply>;
  serverNowMs(): number;
  /** When the first of the user's unopened tickets of this event expires (server time). */
  firstExpiryMs(): number | undefined;
}

type Step = { readonly waitMs: number } | { readonly end: 'over' | 'limit' };

const shakeResults: ReadonlySet<unknown> = new Set(['hit', 'miss', 'rest', 'limit', 'not_started', 'over']);

/** The answer of a shake. @throws HongbaoAnswerError when it is none that the contract knows. */
export function shakeAnswerOf(body: unknown): ShakeAnswer {
  const answer = body as ShakeAnswer | null;
  if (!shakeResults.has(answer?.result)) throw new HongbaoAnswerError('a shake answer of an unknown kind');
  return answer as ShakeAnswer;
}

/**
 * Shakes as the server steers it, until the event is over, the user is at the limit or the signal aborts. Unanswered shakes
 * are followed by a backoff, and by an error once the silence is too long; so is what comes before the first of them.
 *
 * The wait is `nextShakeMs` from when the answer is here, and no jitter of its own: the server has spread the phones already, and calls
 * each into its turn. Sooner is too soon (the turn is the same, nothing is drawn again), much later may miss a turn.
 */
export async function runShakeLoop(shaker: Shaker, options: ShakeLoopOptions): Promise<ShakeLoopEnd> {
  const { clock, limits } = shaker.pursuer;
  const loop = new ShakeLoop(shaker, options);
  await loop.awaitStart();
  while (!options.signal?.aborted) {
    const step = await loop.step();
    if (step === 'aborted') break;
    if ('end' in step) return { end: step.end, shakes: loop.shakes, hits: loop.hits };
    await clock.sleep(Math.min(step.waitMs, limits.shakeWaitMaxMs), options.signal);
  }
  return { end: 'aborted', shakes: loop.shakes, hits: loop.hits };
}

/** The signal is looked at before the first shake: it ends the loop, it does not fail it. */
function undefinedIfAborted(error: unknown): undefined {
  if (!(error instanceof HongbaoAbortedError)) throw error;
}

class ShakeLoop {
  shakes = 0;
  hits = 0;
  private failures = 0;
  private answeredAtMs: number;

  constructor(
    private readonly shaker: Shaker,
    private readonly options: ShakeLoopOptions,
  ) {
    this.answeredAtMs = shaker.pursuer.clock.nowMs();
  }

  /** Waits, by the server's clock, for the user's own start, so that a crowd that came early asks nothing meanwhile. */
  async awaitStart(): Promise<void> {
    const { signal } = this.options;
    const { clock, limits } = this.shaker.pursuer;
    const view = await this.shaker.event(signal).catch(undefinedIfAborted);
    if (view === undefined) return;
    const startMs = Date.parse(view.startsAt) + view.startOffsetMs;
    while (!signal?.aborted) {
      const waitMs = startMs - this.shaker.serverNowMs();
      if (waitMs <= 0) break;
      await clock.sleep(Math.min(waitMs, limits.shakeWaitMaxMs), signal);
    }
    this.answeredAtMs = clock.nowMs();
  }

  async step(): Promise<Step | 'aborted'> {
    const reply = await this.shaker.shake(this.options.signal);
    if (reply.kind === 'aborted') return 'aborted';
    if (reply.kind === 'answer') return this.follow(shakeAnswerOf(reply.body));
    return this.backOff(reply);
  }

  private follow(answer: ShakeAnswer): Step {
    this.failures = 0;
    this.answeredAtMs = this.shaker.pursuer.clock.nowMs();
    this.shakes += 1;
    this.options.onAnswer?.(answer);
    switch (answer.result) {
      case 'hit':
        this.hits += 1;
        this.options.onHit(answer);
        return { waitMs: answer.nextShakeMs };
      case 'miss':
      case 'rest':
        return { waitMs: answer.nextShakeMs };
      case 'not_started':
        return { waitMs: answer.startsInMs };
      case 'limit':
        return this.waitForExpiry();
      case 'over':
        return { end: 'over' };
    }
  }

  /** A ticket that is never credited frees its place when it expires; without one the limit is final. */
  private waitForExpiry(): Step {
    const expiryMs = this.shaker.firstExpiryMs();
    if (expiryMs === undefined) return { end: 'limit' };
    const { limits, random } = this.shaker.pursuer;
    return { waitMs: Math.max(0, expiryMs - this.shaker.serverNowMs()) + random() * limits.backoffBaseMs * 4 };
  }

  private backOff(reply: Extract<Reply, { kind: 'problem' | 'lost' }>): Step {
    const { limits, clock, random } = this.shaker.pursuer;
    const isSilent = clock.nowMs() - this.answeredAtMs > limits.shakeSilenceMaxMs;
    if (isSilent || !this.mayPass(reply)) {
      if (reply.kind === 'problem') throw new HongbaoProblemError(this.shaker.label, reply.problem);
      throw new HongbaoLostError(`${this.shaker.label}: ${reply.detail}`, { cause: reply.cause });
    }
    this.failures += 1;
    const retryAfterMs = reply.kind === 'problem' ? reply.problem.retryAfterMs : reply.retryAfterMs;
    return { waitMs: backoffMs(limits, this.failures, retryAfterMs, random) };
  }

  /** A gateway that has just come back may not know yet an event that others have answered for. */
  private mayPass(reply: Extract<Reply, { kind: 'problem' | 'lost' }>): boolean {
    if (reply.kind === 'lost' || isPassing(reply.problem)) return true;
    return reply.problem.code === 'event_unknown' && this.shakes > 0;
  }
}
