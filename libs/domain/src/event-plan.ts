import { sponsorNoMax } from './claims.ts';
import { isIntegerIn } from './integers.ts';
import { fenMax } from './money.ts';
import { findPoolFaults, type PoolDraft, poolFundsFen } from './pool-plan.ts';
import { findCurveFaults, type ReleaseCurve } from './release-curve.ts';
import { shakeStateWinsMax } from './shake-state.ts';
import { isUserId } from './user-id.ts';

/** What becomes of packets that were issued and not opened: again in this event, in their own wave only, or refunded. */
export type Reissue = 'event' | 'wave' | 'never';

export const reissues: readonly Reissue[] = ['event', 'wave', 'never'];

export interface DraftPool extends PoolDraft {
  /** The `id` of one of the event's sponsors. */
  readonly sponsorId: string;
  readonly releaseCurve: ReleaseCurve;
}

export interface DraftWave {
  readonly no: number;
  readonly startsAtMs: number;
  readonly durationMs: number;
  readonly pools: readonly DraftPool[];
}

/** An event before it has ids. Times are milliseconds since the epoch. */
export interface EventDraft {
  readonly title: string;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly perUserMax: number;
  readonly ticketTtlMs: number;
  readonly staggerMs: number;
  readonly shakeIntervalMs: number;
  /** For all pools; undefined: each pool's follows its pace (`blockLifeMsOf`). */
  readonly blockLifeMs?: number | undefined;
  readonly graceMs: number;
  readonly reissue: Reissue;
  readonly sharesEndAtMs: number;
  readonly sponsors: readonly { readonly id: string; readonly name: string }[];
  readonly waves: readonly DraftWave[];
}

/** Bounds of an event's plan. They keep mistakes out (seconds taken for milliseconds) and every list finite. */
export const eventLimits = {
  titleLengthMax: 200,
  nameLengthMax: 200,
  /** What a ticket carries, the year 10889; well within JavaScript's dates. */
  timeMsMax: 2 ** 48 - 1,
  /** An event's own time, and its shares' after it: a year each; what is longer is a slip in a date. */
  durationMsMax: 366 * 86_400_000,
  /** As many wins as a client's state holds. */
  perUserMaxMax: shakeStateWinsMax,
  /** A ticket must outlive a round trip, and blocks come back only after it is past. */
  ticketTtlMsMin: 100,
  ticketTtlMsMax: 7 * 86_400_000,
  /** Ten minutes: a start that is spread further is no common moment. */
  staggerMsMax: 600_000,
  /** Under 10 ms a shake is no movement of a hand; over a minute nobody waits. */
  shakeIntervalMsMin: 10,
  shakeIntervalMsMax: 60_000,
  /** A block must reach a gateway before its time is up; an hour is long to have packets in the hands of a dead gateway. */
  blockLifeMsMin: 100,
  blockLifeMsMax: 3_600_000,
  /** Ten minutes: more than clocks ever differ; blocks come back only after it. */
  graceMsMax: 600_000,
  /** The event answer lists all sponsors and waves, and gateways hold all pools. */
  sponsorsMax: 1_000,
  wavesMax: 100,
  poolsMax: 4_096,
} as const;

/**
 * Every fault of a draft, each as `path: sentence` with the path of the REST body (times without their `Ms`, as they are given
 * there); empty when the event can be held.
 */
export function findEventFaults(draft: EventDraft): string[] {
  return [
    ...findSettingFaults(draft),
    ...findTimeFaults(draft),
    ...findSponsorFaults(draft),
    ...findWaveListFaults(draft),
    ...draft.waves.flatMap((wave, i) => findWaveFaults(draft, wave, `waves[${i}]`)),
    ...findTotalFaults(draft),
  ];
}

function findSettingFaults(draft: EventDraft): string[] {
  const limits = eventLimits;
  const bounds: [string, number, number, number][] = [
    ['perUserMax', draft.perUserMax, 1, limits.perUserMaxMax],
    ['ticketTtlMs', draft.ticketTtlMs, limits.ticketTtlMsMin, limits.ticketTtlMsMax],
    ['staggerMs', draft.staggerMs, 0, limits.staggerMsMax],
    ['shakeIntervalMs', draft.shakeIntervalMs, limits.shakeIntervalMsMin, limits.shakeIntervalMsMax],
    ['graceMs', draft.graceMs, 0, limits.graceMsMax],
  ];
  if (draft.blockLifeMs !== undefined) {
    bounds.push(['blockLifeMs', draft.blockLifeMs, limits.blockLifeMsMin, limits.blockLifeMsMax]);
  }
  const faults = bounds.flatMap(([field, value, min, max]) => integerFaults(field, value, min, max));
  if (!isLengthIn(draft.title, limits.titleLengthMax)) {
    faults.push(`title: must have 1 to ${limits.titleLengthMax} characters`);
  }
  if (!reissues.includes(draft.reissue)) faults.push(`reissue: must be one of ${reissues.join(', ')}`);
  return faults;
}

function findTimeFaults({ startsAtMs, endsAtMs, sharesEndAtMs, staggerMs }: EventDraft): string[] {
  const faults = [
    ...timeFaults('startsAt', startsAtMs),
    ...timeFaults('endsAt', endsAtMs),
    ...timeFaults('sharesEndAt', sharesEndAtMs),
  ];
  // what is no time has been named by now: NaN in its place makes every comparison with it false
  const [starts, ends, sharesEnd] = [startsAtMs, endsAtMs, sharesEndAtMs].map((at) => (isTime(at) ? at : Number.NaN));
  const [lastsMs, sharesLastMs] = [ends! - starts!, sharesEnd! - ends!];
  const { durationMsMax } = eventLimits;
  if (lastsMs <= 0) faults.push('endsAt: must be after startsAt');
  if (lastsMs > durationMsMax) faults.push('endsAt: must be within 366 days of startsAt');
  if (lastsMs > 0 && staggerMs >= lastsMs) faults.push('staggerMs: must be shorter than the event');
  if (sharesLastMs < 0) faults.push('sharesEndAt: must not be before endsAt');
  if (sharesLastMs > durationMsMax) faults.push('sharesEndAt: must be within 366 days of endsAt');
  return faults;
}

function findSponsorFaults({ sponsors }: EventDraft): string[] {
  const faults: string[] = [];
  // sponsors are numbered in the order of the plan
  const most = Math.min(eventLimits.sponsorsMax, sponsorNoMax + 1);
  if (!isIntegerIn(sponsors.length, 1, most)) faults.push(`sponsors: must be 1 to ${most}`);
  for (const [i, { id, name }] of sponsors.entries()) {
    if (!isUserId(id)) faults.push(`sponsors[${i}].id: must be 1 to 64 letters, digits, '.', '_' or '-'`);
    if (!isLengthIn(name, eventLimits.nameLengthMax)) {
      faults.push(`sponsors[${i}].name: must have 1 to ${eventLimits.nameLengthMax} characters`);
    }
  }
  return [
    ...faults,
    ...duplicateFaults(
      sponsors.map(({ id }) => id),
      (i) => `sponsors[${i}].id`,
    ),
  ];
}

function findWaveListFaults({ waves }: EventDraft): string[] {
  const faults = isIntegerIn(waves.length, 1, eventLimits.wavesMax)
    ? []
    : [`waves: must be 1 to ${eventLimits.wavesMax}`];
  return [
    ...faults,
    ...duplicateFaults(
      waves.map(({ no }) => no),
      (i) => `waves[${i}].no`,
    ),
    ...findOverlaps(waves),
  ];
}

/** Waves may touch but not overlap: of two at once nobody could say which one a packet is part of. */
function findOverlaps(waves: readonly DraftWave[]): string[] {
  const ordered = [...waves.entries()].sort(([, a], [, b]) => a.startsAtMs - b.startsAtMs);
  const faults: string[] = [];
  let latest: { no: number; endsAtMs: number } = { no: -1, endsAtMs: Number.NEGATIVE_INFINITY };
  for (const [i, { startsAtMs, durationMs }] of ordered) {
    if (startsAtMs < latest.endsAtMs) faults.push(`waves[${i}].startsAt: overlaps waves[${latest.no}]`);
    if (startsAtMs + durationMs > latest.endsAtMs) latest = { no: i, endsAtMs: startsAtMs + durationMs };
  }
  return faults;
}

function findWaveFaults(draft: EventDraft, wave: DraftWave, path: string): string[] {
  const faults = [
    ...integerFaults(`${path}.no`, wave.no, 0, 2 ** 15 - 1),
    ...timeFaults(`${path}.startsAt`, wave.startsAtMs),
    ...integerFaults(`${path}.durationMs`, wave.durationMs, 1, eventLimits.durationMsMax),
  ];
  if (wave.startsAtMs < draft.startsAtMs) faults.push(`${path}.startsAt: must not be before the event starts`);
  // beside an event that ends before it starts every wave would be named as well
  const outlasts = draft.endsAtMs > draft.startsAtMs && wave.startsAtMs + wave.durationMs > draft.endsAtMs;
  if (outlasts) faults.push(`${path}.durationMs: must end with the event or before`);
  if (wave.pools.length === 0) faults.push(`${path}.pools: must be 1 or more`);
  const sponsorIds = wave.pools.map(({ sponsorId }) => sponsorId);
  return [
    ...faults,
    ...duplicateFaults(sponsorIds, (i) => `${path}.pools[${i}].sponsorId`),
    ...wave.pools.flatMap((pool, i) => findDraftPoolFaults(draft, pool, `${path}.pools[${i}]`)),
  ];
}

function findDraftPoolFaults({ sponsors }: EventDraft, pool: DraftPool, path: string): string[] {
  const known = sponsors.some(({ id }) => id === pool.sponsorId);
  return [
    ...(known ? [] : [`${path}.sponsorId: names no sponsor of this event`]),
    ...findPoolFaults(pool).map((fault) => `${path}.${fault}`),
    ...findCurveFaults(pool.releaseCurve).map((fault) => `${path}.releaseCurve: ${fault}`),
  ];
}

function findTotalFaults({ waves }: EventDraft): string[] {
  const pools = waves.flatMap((wave) => wave.pools);
  const faults =
    pools.length <= eventLimits.poolsMax ? [] : [`waves: must have ${eventLimits.poolsMax} pools at most in all`];
  const totalFen = pools.reduce((sum, pool) => sum + poolFundsFen(pool), 0);
  // reconciliation adds whole events up in numbers, which are exact up to here only
  if (totalFen > fenMax) faults.push(`waves: all budgets together must be ${fenMax} fen at most`);
  return faults;
}

function duplicateFaults(values: readonly unknown[], pathOf: (i: number) => string): string[] {
  const firsts = new Map<unknown, number>();
  const faults: string[] = [];
  for (const [i, value] of values.entries()) {
    const first = firsts.get(value);
    if (first === undefined) firsts.set(value, i);
    else faults.push(`${pathOf(i)}: repeats ${pathOf(first)}`);
  }
  return faults;
}

function timeFaults(path: string, value: number): string[] {
  return isTime(value) ? [] : [`${path}: must be a time`];
}

function isTime(value: number): boolean {
  return isIntegerIn(value, 0, eventLimits.timeMsMax);
}

function integerFaults(path: string, value: number, min: number, max: number): string[] {
  return isIntegerIn(value, min, max) ? [] : [`${path}: must be an integer in [${min}, ${max}], is ${value}`];
}

function isLengthIn(text: string, max: number): boolean {
  return text.trim().length > 0 && text.length <= max;
}
