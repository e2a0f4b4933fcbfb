import { type ReleaseCurve, releasedFraction } from './release-curve.ts';

/*
 * How fast a pool's packets should go out, so that what was issued follows the release curve although nobody counts it: the curve's
 * own slope, and a correction. What is available (on the stock list and in all hands) and what ought to lie ahead by now are both
 * known; where more is available than ought to be, too little was issued, by that many packets:
 *
 *   rate(t) = (released(t + span) − released(t)) / span + (available − ahead) / settleMs
 *
 * Packets that came back, and those of a time in which nobody shook, are "more than ought to be" too, and go out the same way.
 */

/** What decides a pool's release. Times are store-clock milliseconds. */
export interface PoolRelease {
  readonly releaseCurve: ReleaseCurve;
  readonly packetCount: number;
  readonly blockSize: number;
  /** The wave. */
  readonly startsAtMs: number;
  readonly durationMs: number;
  /** How long before its release a packet is on the stock list. */
  readonly stockLeadMs: number;
}

/** What is available above what ought to be settles within this. */
const settleMs = 3000;
/** A stock that is behind its plan (lost, or stocked late) is no reason to stop: at least this part of the curve's slope is issued. */
const slopeShareMin = 0.5;
const lastPerSecondMin = 1;
/** Everything should be out this long before nothing may be issued any more. */
const finishMarginMs = 300;
const finishSpanMinMs = 300;
/** So near the end what is left is spread over the time that is left. */
const finishFromMs = 5000;

/** Packets released by `atMs`: a real number in [0, packetCount], all of them from the wave's end on. */
export function releasedAt(pool: PoolRelease, atMs: number): number {
  return releasedFraction(pool.releaseCurve, atMs - pool.startsAtMs, pool.durationMs) * pool.packetCount;
}

/** Packets that ought to be stocked and not yet issued at `atMs`, when blocks come to the list `delayMs` after they are due. */
export function aheadAt(pool: PoolRelease, atMs: number, delayMs: number): number {
  const due = Math.floor(releasedAt(pool, atMs + pool.stockLeadMs - delayMs));
  const stocked = Math.min(Math.ceil(due / pool.blockSize) * pool.blockSize, pool.packetCount);
  return Math.max(stocked - releasedAt(pool, atMs), 0);
}

export interface ReleaseMoment {
  readonly nowMs: number;
  /** The curve's slope is taken over [now, now + span). */
  readonly spanMs: number;
  /** Packets available above what ought to lie ahead; undefined when that is not known. */
  readonly excess: number | undefined;
  /** From when on nothing may be issued. */
  readonly issueEndsAtMs: number;
}

/** Packets per second to be issued over all gateways; 0 before the wave. */
export function releasePerSecond(pool: PoolRelease, moment: ReleaseMoment): number {
  const { nowMs, spanMs, excess, issueEndsAtMs } = moment;
  const slope = ((releasedAt(pool, nowMs + spanMs) - releasedAt(pool, nowMs)) * 1000) / spanMs;
  if (excess === undefined || nowMs < pool.startsAtMs) return slope;
  const steady = Math.max(
    slope + (excess * 1000) / settleMs,
    slope * slopeShareMin,
    lastPerSecond(pool, nowMs, excess),
  );
  const leftMs = issueEndsAtMs - nowMs;
  if (leftMs > finishFromMs) return steady;
  const available = excess + aheadAt(pool, nowMs, 0);
  return Math.max(steady, (available * 1000) / Math.max(leftMs - finishMarginMs, finishSpanMinMs));
}

/** When all is released, the last few do not go out ever more slowly. */
function lastPerSecond(pool: PoolRelease, nowMs: number, excess: number): number {
  return excess >= 1 && releasedAt(pool, nowMs) >= pool.packetCount ? lastPerSecondMin : 0;
}

/** Packets that should be issued in the `spanMs` from now, over all gateways: what to have in hand for it. */
export function releaseAhead(pool: PoolRelease, moment: ReleaseMoment): number {
  const { nowMs, spanMs, excess = 0 } = moment;
  const due = releasedAt(pool, nowMs + spanMs) - releasedAt(pool, nowMs);
  const steady = due + (nowMs < pool.startsAtMs ? 0 : Math.max(excess, 0) * (1 - Math.exp(-spanMs / settleMs)));
  return Math.max(
    steady,
    (releasePerSecond(pool, moment) * Math.min(spanMs, Math.max(moment.issueEndsAtMs - nowMs, 0))) / 1000,
  );
}
