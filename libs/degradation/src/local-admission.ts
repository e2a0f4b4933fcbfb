import { type ImportanceClass, importanceOrder } from './catalogue.ts';

/** How often the level is set. */
export const admissionStepMs = 100;

/** What may be refused, the least important first. Settlement is not asked for by anybody. */
export const shedOrder = importanceOrder.filter((name) => name !== 'settle').reverse();
export type ShedClass = Exclude<ImportanceClass, 'settle'>;
const placeOf = Object.fromEntries(shedOrder.map((name, place) => [name, place])) as Record<ShedClass, number>;

/** A record with the same number for each of them. */
export function ofEachClass(value: number): Record<ShedClass, number> {
  return Object.fromEntries(shedOrder.map((name) => [name, value])) as Record<ShedClass, number>;
}

/** Opens are thinned when nothing else is left, and never to less than a tenth. */
const levelMax = placeOf.open + 0.9;

/**
 * A delay of the event loop is what whoever asks waits on top of its own work. Each class yields from this delay on, the more important
 * the later: a paced gateway stays below 100 ms, an open has a second to be accepted. It goes on yielding above half of it. Extras go at
 * the first sign, which costs hardly anybody anything.
 */
const delayFromMs: Readonly<Record<ShedClass, number>> = {
  extras: 60,
  reads: 150,
  shake: 250,
  share: 400,
  grab: 400,
  open: 500,
};
/** The level rises the faster the further the delay is above where its class yields, fastest from this multiple on. */
const delayFullFactor = 3;
/** A delay while the loop has idle time is another process's doing, or one long task: refusing requests would not help. */
const busyFrom = 0.85;
/** Below this many requests a second a process has no load that it could shed, however busy its machine is. */
const loadPerSecondMin = 500;
/** What is more important than shakes yields only where it is a load by itself: this many a second, and this share of all. */
const ownLoadShareMin = 0.2;
/** Opens under way, of as many as may be: from here on what brings more of them yields, up to the shakes. */
const inFlightFrom = 0.6;
const inFlightFull = 0.9;
/** Replies that take so long (mean of a second) leave an open little of the time in which it is answered at once: reads yield. */
const replyFromMs = 1000;
const replyFullMs = 1500;
/**
 * Because of a delay no more than half of the users are told to rest: those who obey come less often at once, until the pace has told everybody.
 * Beyond it would help nobody: a shake that is told to rest costs no less than one that is drawn, and who does not obey comes all the same.
 */
const restedShakeLevel = placeOf.shake + 0.5;

/** Per step, by class: what matters little goes at once, shakes in half a second, the rest step by step. */
const riseMax: Readonly<Record<ShedClass, number>> = {
  extras: 1,
  reads: 1,
  shake: 0.25,
  share: 0.25,
  grab: 0.25,
  open: 0.1,
};
/** A class comes back in two seconds. */
const fallPerSecond = 0.5;
/** Rates are averaged over about three steps: they are there as soon as the load is. */
const rateWeight = 0.3;

export interface AdmissionFigures {
  /** Since the last step. */
  readonly elapsedMs: number;
  /** Share of that time in which the event loop was busy, 0 to 1. */
  readonly utilisation: number;
  /** The longest that the event loop was late in that time, or is by now. */
  readonly loopDelayMs: number;
  /** Requests that came since the last step, refused ones too. */
  readonly requests: Readonly<Partial<Record<ShedClass, number>>>;
  /** Opens (grabs, in the share service) under way, of as many as may be, 0 to 1. */
  readonly inFlightShare: number;
  /** Mean time from an open to its outcome in the last second; undefined while too few had one to tell. */
  readonly replyMs?: number | undefined;
}

interface Pressure {
  /** 0: lets go; undefined: holds what is, up to its ceiling. */
  readonly strength: number | undefined;
  readonly ceiling: number;
}

/**
 * How far one process has stepped back by itself, set every 100 ms: one level over the classes in `shedOrder`. Whole classes below it are
 * refused, the one that it stands in is thinned by its fraction, the rest is untouched: 2.25 refuses extras and reads, and the shakes of a
 * quarter of the users. Up at once, down gently. No clock, no I/O; how it behaves is shown by local-admission.spec.ts, why in
 * docs/decisions/2026-11-21-local-admission.md.
 */
export class LocalAdmission {
  private current = 0;
  private readonly perSecond = ofEachClass(0);
  private readonly shares = ofEachClass(1);

  get level(): number {
    return this.current;
  }

  /** The users of this class that are admitted: those whose priority is below it (libs/domain, user-priority). 1: all. */
  shareOf(name: ShedClass): number {
    return this.shares[name];
  }

  step(figures: AdmissionFigures): void {
    const seconds = Math.max(figures.elapsedMs, 1) / 1000;
    this.countRates(figures, seconds);
    const pressures = [this.ofLoop(figures), ofInFlight(figures), ofReplies(figures)];
    const risen = Math.max(...pressures.map((pressure) => this.raisedBy(pressure)));
    if (risen > this.current) this.current = risen;
    else if (pressures.every(({ strength, ceiling }) => strength === 0 || this.current > ceiling))
      this.current = Math.max(0, this.current - fallPerSecond * Math.min(seconds, 1));
    for (const name of shedOrder) this.shares[name] = Math.min(Math.max(1 + placeOf[name] - this.current, 0), 1);
  }

  private countRates({ requests }: AdmissionFigures, seconds: number): void {
    for (const name of shedOrder)
      this.perSecond[name] += rateWeight * ((requests[name] ?? 0) / seconds - this.perSecond[name]);
  }

  private raisedBy({ strength, ceiling }: Pressure): number {
    if (strength === undefined || this.current >= ceiling) return this.current;
    return Math.min(risenBy(this.current, strength), ceiling);
  }

  private ofLoop({ loopDelayMs, utilisation }: AdmissionFigures): Pressure {
    const fromMs = delayFromMs[classAt(this.current)];
    const ceiling = this.loopCeiling();
    if (loopDelayMs < fromMs / 2 || utilisation < busyFrom || this.allPerSecond < loadPerSecondMin)
      return { strength: 0, ceiling };
    return { strength: strengthOf(loopDelayMs, fromMs, fromMs * delayFullFactor), ceiling };
  }

  /** How far a delay may push: no further than to the last class whose refusal would help. */
  private loopCeiling(): number {
    const loadMin = Math.max(loadPerSecondMin, ownLoadShareMin * this.allPerSecond);
    const { open, grab, share } = this.perSecond;
    if (open >= loadMin) return levelMax;
    if (open + grab >= loadMin) return placeOf.grab + 1;
    if (open + grab + share >= loadMin) return placeOf.share + 1;
    return restedShakeLevel;
  }

  private get allPerSecond(): number {
    return Object.values(this.perSecond).reduce((sum, rate) => sum + rate, 0);
  }
}

/** The class that yields next at a level. */
function classAt(level: number): ShedClass {
  return shedOrder[Math.min(Math.floor(level), shedOrder.length - 1)]!;
}

/** A step that leaves a class goes into the next one no faster than that one yields. */
function risenBy(level: number, strength: number): number {
  const rise = strength * riseMax[classAt(level)];
  const end = Math.floor(level) + 1;
  return level + rise <= end ? level + rise : end + Math.min(level + rise - end, strength * riseMax[classAt(end)]);
}

function ofInFlight({ inFlightShare }: AdmissionFigures): Pressure {
  const strength = inFlightShare < inFlightFrom / 2 ? 0 : strengthOf(inFlightShare, inFlightFrom, inFlightFull);
  return { strength, ceiling: placeOf.shake + 1 };
}

function ofReplies({ replyMs }: AdmissionFigures): Pressure {
  const strength =
    replyMs === undefined || replyMs < replyFromMs / 2 ? 0 : strengthOf(replyMs, replyFromMs, replyFullMs);
  return { strength, ceiling: placeOf.reads + 1 };
}

/** How hard a figure pushes, in (0, 1]; undefined below `from`. */
function strengthOf(value: number, from: number, full: number): number | undefined {
  if (value < from) return undefined;
  return Math.min(Math.max((value - from) / (full - from), 0.2), 1);
}
