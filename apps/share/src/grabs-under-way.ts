import type { GrabOutcome } from '#libs/contracts';
import type { DurableAddition } from '#libs/queue';

/**
 * Where a grab is that was sent to its lane.
 * `awaited`: it is being made durable, or its outcome is to come any moment: what this process is busy with.
 * `parked`: durable in a lane that is slow, on purpose or because its database is: it takes some memory and nothing else.
 * `resting`: a dead letter, which is not tried again for a while.
 * `gone`: forgotten: who asks again is sent to the lane again.
 */
export type GrabStage = 'awaited' | 'parked' | 'resting' | 'gone';

const nextStages: Readonly<Record<GrabStage, readonly GrabStage[]>> = {
  awaited: ['parked', 'resting', 'gone'],
  parked: ['resting', 'gone'],
  resting: ['gone'],
  gone: [],
};

export type DurableGrab = DurableAddition<GrabOutcome>;

/** A grab of one packet by one user. */
export interface SentGrab {
  readonly key: string;
  /** Resolves when it is durable. */
  readonly accepted: Promise<DurableGrab>;
  /** Its outcome, whenever it comes; undefined when its reply was lost. */
  readonly outcome: Promise<GrabOutcome | undefined>;
  readonly stage: GrabStage;
  /** Store-clock ms at which it was first seen to be outstanding no more. */
  settledSinceMs: number | undefined;
  /** Monotonic ms at which it came; undefined: it was parked, so the time that it takes tells nothing. */
  cameAtMs: number | undefined;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export interface GrabsUnderWayLimits {
  /** Grabs that may be awaited. */
  readonly awaitedMax: number;
  /** Grabs that may be parked or resting; those that are awaited may still come on top. */
  readonly parkedMax: number;
  /** A grab whose outcome did not come within this time is parked. */
  readonly awaitedMaxMs: number;
}

/** A dead letter is not put into the lane again for so long, however often its user asks: it would be bisected each time. */
const deadRestMs = 60_000;

/**
 * The grabs that this process sent to their lanes, one for each packet and user, so that nobody's is in a lane twice. A grab is remembered
 * for as long as its reply may come, which is as long as its job is outstanding (`ReplyRegistry`), and not for a time of its own.
 */
export class GrabsUnderWay {
  private readonly grabs = new Map<string, Mutable<SentGrab>>();
  private awaited = 0;

  constructor(private readonly limits: GrabsUnderWayLimits) {}

  get(key: string): SentGrab | undefined {
    return this.grabs.get(key);
  }

  awaitedCount(): number {
    return this.awaited;
  }

  /** Those that are parked, and the few that rest. */
  parkedCount(): number {
    return this.grabs.size - this.awaited;
  }

  /** Why no other grab may be sent now; undefined: it may. */
  fullOf(): 'awaited' | 'parked' | undefined {
    if (this.awaited >= this.limits.awaitedMax) return 'awaited';
    return this.parkedCount() >= this.limits.parkedMax ? 'parked' : undefined;
  }

  /**
   * Remembers a grab, in the place of an earlier one of the same key, whose reply was lost.
   * @param accepted rejects when the grab is not durable: it is forgotten at once.
   * @param onOutcome told before whoever waits for the outcome.
   */
  keep(
    key: string,
    accepted: Promise<DurableGrab>,
    cameAtMs: number,
    onOutcome: (outcome: GrabOutcome) => void,
  ): SentGrab {
    const earlier = this.grabs.get(key);
    if (earlier !== undefined) this.move(earlier, 'gone');
    const outcome = accepted.then((durable) => this.follow(grab, durable, onOutcome));
    const grab: SentGrab = { key, accepted, outcome, stage: 'awaited', settledSinceMs: undefined, cameAtMs };
    this.grabs.set(key, grab);
    this.awaited += 1;
    outcome.then(
      (value) => this.end(grab, value),
      () => this.end(grab, undefined),
    );
    return grab;
  }

  /** Of a grab that is durable: its outcome will come late. */
  park(grab: SentGrab): void {
    if (grab.stage !== 'awaited') return;
    this.move(grab, 'parked');
    grab.cameAtMs = undefined;
  }

  private async follow(
    grab: SentGrab,
    durable: DurableGrab,
    onOutcome: (outcome: GrabOutcome) => void,
  ): Promise<GrabOutcome | undefined> {
    let outcome = await durable.whenReplied(this.limits.awaitedMaxMs);
    if (outcome === undefined) {
      this.park(grab);
      outcome = await durable.whenReplied(Number.POSITIVE_INFINITY);
    }
    if (outcome !== undefined) onOutcome(outcome);
    return outcome;
  }

  private end(grab: SentGrab, outcome: GrabOutcome | undefined): void {
    // another one took its place
    if (grab.stage === 'gone') return;
    const isDead = outcome?.outcome === 'dead';
    this.move(grab, isDead ? 'resting' : 'gone');
    if (isDead) setTimeout(() => this.end(grab, undefined), deadRestMs).unref();
  }

  private move(grab: Mutable<SentGrab>, stage: GrabStage): void {
    if (!nextStages[grab.stage].includes(stage))
      throw new Error(`a grab that is ${grab.stage} does not become ${stage}`);
    if (grab.stage === 'awaited') this.awaited -= 1;
    grab.stage = stage;
    if (stage === 'gone') this.grabs.delete(grab.key);
  }
}
