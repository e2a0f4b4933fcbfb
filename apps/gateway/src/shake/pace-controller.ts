/** How much of its capacity a gateway uses when it has to pace: the middle of what it should settle in, 80 to 95 %. */
export const targetUtilisation = 0.88;
/** While it is behind for long, a little less, so that the queue goes; if the longest intervals do not help then, it is overloaded. */
const drainUtilisation = 0.84;
const drainAfterSeconds = 4.5;
/** From here on the event loop has no idle time: more is coming than can be answered, and how much more cannot be seen. */
const behindFrom = 0.97;

/**
 * Capacity is learnt from periods that are busy enough to tell, the busier the more; without idle time it is plain to see. A process
 * that is busy with something else knows little of it: every gateway answers `capacityMin` shakes a second, and nobody is paced before
 * the event loop is busy from `pacedFrom` on.
 */
const tellingFrom = 0.3;
const capacityWeight = 0.3;
const capacityWeightBehind = 0.6;
/**
 * A process that serves more with less of its time than was thought is believed sooner, however idle: little load is the dearer kind.
 * What was learnt from the first shake of each of a crowd (sessions to be verified) would hold everybody back for ten seconds.
 */
const capacityWeightMore = 0.4;
const capacityMin = 500;
const pacedFrom = 0.7;
/** What was learnt too small is found out when the pace leaves the loop idle: it grows by at most this factor per step. */
const capacityGrowth = 1.5;
/** Early shakes are an allowance beside the turns, averaged by this weight; turns keep at least this share of the capacity. */
const earlyWeight = 0.3;
const turnsShareMin = 0.2;
/**
 * A crowd that comes at once stands in the queue, where it cannot be seen. While the gateway is behind, newcomers are taken to go on
 * coming at their present rate, at first for so long, and for less the longer it lasts; where the interval is under a second, for less in
 * proportion: a phone that is there shows within one.
 */
const crowdSeconds = { atFirst: 2.5, atLeast: 0.5, fading: 0.6 };
const newcomersWeight = 0.5;
/** A smaller stretch is approached by this factor per step, a larger one at once. */
const relaxFactor = 0.85;
/** The trim corrects what the figures do not tell, by this part of the error per mean wait, within bounds, while the pace is steady. */
const trimGain = 0.3;
const [trimMin, trimMax] = [0.75, 2];
/** Steady: the stretch has stayed within this factor for this many mean waits. */
const steadyFactor = 1.08;
const steadyWaits = 2;

/** The shakes that one event would bring unpaced. */
export interface PacedLoad {
  readonly intervalMs: number;
  /** Users whose next shake is awaited; of them, those who came since the last step. */
  readonly activeUsers: number;
  readonly arrivedUsers: number;
  /** Shakes since the last step that came before the time they were told. */
  readonly earlyShakes: number;
  /** The event is not stretched further (gaps of at most ten seconds). */
  readonly stretchMax: number;
}

export interface PaceFigures {
  readonly elapsedMs: number;
  /** Share of the elapsed time in which the event loop was busy, 0 to 1. */
  readonly utilisation: number;
  /** Shakes answered since the last step, whatever the answer. */
  readonly shakes: number;
  readonly loads: readonly PacedLoad[];
}

export interface PaceSample {
  readonly stretch: number;
  readonly deferMs: number;
  readonly utilisation: number;
  /** Users whose next shake is awaited, over all events. */
  readonly activeUsers: number;
  /** 0 until it is known. */
  readonly capacityPerSecond: number;
  readonly isOverloaded: boolean;
}

/**
 * Sets the stretch of turns so that a gateway to which more want to come than it can answer runs at `targetUtilisation`.
 *
 * Feed-forward: the shakes that the active users would bring unpaced, over what the gateway can answer (shakes per second over
 * utilisation, whatever else the process does besides), less what comes early all the same. Trim: a slow integral of what is left
 * of the error. Up at once, down gently: to be called too often is worse than too seldom. A crowd that comes at once is let in
 * before those who are in already are called again (`deferMs`), so that the queue goes in the time of one shake each.
 * No I/O, no clock: figures in, stretch out. How it settles is shown by paced-crowd.spec.ts.
 */
export class PaceController {
  private current = 1;
  private trim = 1;
  private capacity: number | undefined;
  private early = 0;
  /** Users per second who were not active before. */
  private newcomers = 0;
  private behindSeconds = 0;
  private steadyAt = 1;
  private steadySeconds = 0;
  private overloaded = false;
  private latest = { utilisation: 0, activeUsers: 0, unpacedPerSecond: 0 };

  /** How many slots there are to a turn, at least 1; no event is stretched beyond its own bound. */
  get stretch(): number {
    return this.current;
  }

  /** Nobody is called sooner than in this time: first the crowd at the door. */
  get deferMs(): number {
    if (this.capacity === undefined) return 0;
    return (1000 * this.newcomers * this.crowdAheadSeconds) / this.capacity;
  }

  /** Shakes per second that this process can answer; undefined until it was busy enough to tell. */
  get capacityPerSecond(): number | undefined {
    return this.capacity;
  }

  /** Even the longest intervals bring more than can be answered: pacing alone does not help any more. */
  get isOverloaded(): boolean {
    return this.overloaded;
  }

  /** The event loop had no idle time in the last step. */
  get isBehind(): boolean {
    return this.latest.utilisation >= behindFrom;
  }

  /** The state of this moment, for operations and metrics. */
  sample(): PaceSample {
    const { utilisation, activeUsers } = this.latest;
    const { stretch, deferMs, capacityPerSecond = 0, isOverloaded } = this;
    return { stretch, deferMs, utilisation, activeUsers, capacityPerSecond, isOverloaded };
  }

  /** One step, with the figures since the last one. */
  step({ elapsedMs, utilisation, shakes, loads }: PaceFigures): void {
    const seconds = Math.max(elapsedMs, 1) / 1000;
    this.latest = {
      utilisation,
      activeUsers: sumOf(loads, ({ activeUsers }) => activeUsers),
      unpacedPerSecond: sumOf(loads, perSecondOf),
    };
    this.learn(utilisation, shakes / seconds);
    this.early += earlyWeight * (sumOf(loads, ({ earlyShakes }) => earlyShakes) / seconds - this.early);
    const arrived = sumOf(loads, ({ arrivedUsers }) => arrivedUsers) / seconds;
    this.newcomers += newcomersWeight * (arrived - this.newcomers);
    this.behindSeconds = this.isBehind ? this.behindSeconds + seconds : 0;
    if (this.capacity === undefined) return;
    this.correct(seconds);
    this.follow(this.wantedStretch(loads, this.capacity), loads);
  }

  /** For how long newcomers are taken to go on coming. */
  private get crowdAheadSeconds(): number {
    if (this.behindSeconds === 0) return 0;
    const { atFirst, atLeast, fading } = crowdSeconds;
    const { activeUsers, unpacedPerSecond } = this.latest;
    const meanIntervalSeconds = unpacedPerSecond > 0 ? activeUsers / unpacedPerSecond : 1;
    return Math.max(atLeast, atFirst - fading * this.behindSeconds) * Math.min(1, meanIntervalSeconds);
  }

  private learn(utilisation: number, perSecond: number): void {
    const sample = Math.max(perSecond / Math.min(Math.max(utilisation, 0.01), 1), capacityMin);
    const known = this.capacity;
    if (utilisation >= tellingFrom && perSecond >= 1) {
      this.capacity =
        known === undefined ? sample : known + this.weightOf(sample > known, utilisation) * (sample - known);
    } else if (known !== undefined && this.current > 1) {
      this.capacity = Math.max(known, Math.min(sample, known * capacityGrowth));
    }
  }

  private weightOf(isMore: boolean, utilisation: number): number {
    if (this.isBehind) return capacityWeightBehind;
    return isMore ? capacityWeightMore : capacityWeight * utilisation ** 2;
  }

  private wantedStretch(loads: readonly PacedLoad[], capacity: number): number {
    const { activeUsers } = this.latest;
    const growth = activeUsers > 0 ? 1 + (this.newcomers * this.crowdAheadSeconds) / activeUsers : 1;
    const target = this.behindSeconds > drainAfterSeconds ? drainUtilisation : targetUtilisation;
    const forTurns = Math.max(target * capacity - this.early, turnsShareMin * capacity);
    return stretchFor(loads, forTurns / growth / this.trim);
  }

  /** Moves the trim while the pace is steady; it goes back to 1 when nothing is paced. */
  private correct(seconds: number): void {
    const { utilisation, activeUsers, unpacedPerSecond } = this.latest;
    if (this.current > this.steadyAt * steadyFactor || this.current < this.steadyAt / steadyFactor) {
      this.steadyAt = this.current;
      this.steadySeconds = 0;
    }
    this.steadySeconds += seconds;
    const meanWaitSeconds = Math.max(1, unpacedPerSecond === 0 ? 1 : (this.current * activeUsers) / unpacedPerSecond);
    if (this.steadySeconds < steadyWaits * meanWaitSeconds) return;
    const error = utilisation - targetUtilisation;
    if (this.current === 1 && error < 0) this.trim += (1 - this.trim) * Math.min(1, trimGain * seconds);
    else if (!this.overloaded || error < 0) this.trim *= Math.exp((trimGain * error * seconds) / meanWaitSeconds);
    this.trim = Math.min(Math.max(this.trim, trimMin), trimMax);
  }

  private follow(wanted: number, loads: readonly PacedLoad[]): void {
    const bound = Math.max(1, ...loads.map(({ stretchMax }) => stretchMax));
    const raised = this.latest.utilisation >= pacedFrom ? wanted : Math.min(wanted, this.current);
    this.current = Math.min(Math.max(raised, this.current * relaxFactor, 1), bound);
    this.overloaded = this.behindSeconds > drainAfterSeconds && wanted > bound;
  }
}

/**
 * The stretch with which these loads bring `budgetPerSecond` shakes together, when none is stretched beyond its own bound; 1 or more.
 * Infinity: their bounds do not allow it.
 */
export function stretchFor(loads: readonly PacedLoad[], budgetPerSecond: number): number {
  const byBound = [...loads].sort((a, b) => a.stretchMax - b.stretchMax);
  let free = budgetPerSecond;
  let unpaced = sumOf(byBound, perSecondOf);
  for (const load of byBound) {
    if (free > 0 && unpaced / free <= load.stretchMax) return Math.max(1, unpaced / free);
    free -= perSecondOf(load) / load.stretchMax;
    unpaced -= perSecondOf(load);
  }
  return loads.length === 0 ? 1 : Number.POSITIVE_INFINITY;
}

const perSecondOf = ({ activeUsers, intervalMs }: PacedLoad): number => (activeUsers * 1000) / intervalMs;

function sumOf<T>(list: readonly T[], figure: (item: T) => number): number {
  let sum = 0;
  for (const item of list) sum += figure(item);
  return sum;
}
