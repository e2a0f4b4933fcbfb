import type { CrowdOpen } from './sdk-crowd.ts';
import type { SentRequest } from './transport.ts';

/** Instants of one outage; monotonic milliseconds. */
export interface Outage {
  readonly fromMs: number;
  readonly lostAtMs: number;
  /** The store takes connections again. */
  readonly backAtMs: number;
  readonly toMs: number;
}

export interface StormFigures {
  /** Requests of all kinds per second, and of those that are no shakes: mean before, highest second from the loss on. */
  readonly offered: Offered;
  readonly money: Offered;
  readonly creditedBefore: number;
  readonly creditedFirstSeconds: readonly number[];
  /** From the store's return until opens are credited as before and none is refused; undefined: not within the time looked at. */
  readonly normalAfterMs: number | undefined;
  readonly refused: { readonly during: number; readonly after: number };
}

export interface Offered {
  readonly before: number;
  readonly highest: number;
  readonly ratio: number;
}

const secondMs = 1000;
/** Credited in windows of this long, one after the other. */
const windowMs = 2000;
const windowsNormal = 3;
/** A window is as before with so much of the mean before: less than that is more than chance. */
const normalShare = 0.75;
const stepMs = 100;

/** How hard a crowd came while the store was away and after, and when all was as before. */
export function stormFigures(sent: readonly SentRequest[], opens: readonly CrowdOpen[], outage: Outage): StormFigures {
  const creditedAt = opens.flatMap(({ outcome, endedAtMs }) =>
    outcome === 'credited' && endedAtMs ? [endedAtMs] : [],
  );
  const isOpen = ({ route }: SentRequest) => route === 'open';
  const refusedAt = sent.filter((one) => isOpen(one) && isRefused(one)).map(({ sentAtMs }) => sentAtMs);
  const { fromMs, lostAtMs, backAtMs, toMs } = outage;
  const creditedBefore = perSecond(creditedAt, fromMs, lostAtMs);
  return {
    offered: offeredOf(
      sent.map(({ sentAtMs }) => sentAtMs),
      outage,
    ),
    money: offeredOf(
      sent.filter(({ route }) => route !== 'shake').map(({ sentAtMs }) => sentAtMs),
      outage,
    ),
    creditedBefore,
    creditedFirstSeconds: Array.from({ length: Math.min(15, Math.floor((toMs - backAtMs) / secondMs)) }, (_, at) =>
      countIn(creditedAt, backAtMs + at * secondMs, backAtMs + (at + 1) * secondMs),
    ),
    normalAfterMs: normalAfterMs(creditedAt, refusedAt, creditedBefore, outage),
    refused: { during: countIn(refusedAt, lostAtMs, backAtMs), after: countIn(refusedAt, backAtMs, toMs) },
  };
}

function offeredOf(times: readonly number[], { fromMs, lostAtMs, toMs }: Outage): Offered {
  const before = perSecond(times, fromMs, lostAtMs);
  let highest = 0;
  for (let atMs = lostAtMs; atMs + secondMs <= toMs; atMs += stepMs)
    highest = Math.max(highest, countIn(times, atMs, atMs + secondMs));
  return { before, highest, ratio: highest / before };
}

function normalAfterMs(
  creditedAt: readonly number[],
  refusedAt: readonly number[],
  before: number,
  { backAtMs, toMs }: Outage,
): number | undefined {
  const isNormal = (atMs: number): boolean =>
    Array.from({ length: windowsNormal }, (_, no) => atMs + no * windowMs).every(
      (from) =>
        perSecond(creditedAt, from, from + windowMs) >= normalShare * before &&
        countIn(refusedAt, from, from + windowMs) === 0,
    );
  for (let atMs = backAtMs; atMs + windowsNormal * windowMs <= toMs; atMs += stepMs)
    if (isNormal(atMs)) return atMs - backAtMs;
  return undefined;
}

/** A 503, or no answer at all; `pending` is an acceptance. */
const isRefused = ({ status = 0 }: SentRequest): boolean => status < 200 || status >= 500;
const countIn = (times: readonly number[], fromMs: number, toMs: number): number =>
  times.filter((atMs) => atMs >= fromMs && atMs < toMs).length;
const perSecond = (times: readonly number[], fromMs: number, toMs: number): number =>
  (countIn(times, fromMs, toMs) * secondMs) / (toMs - fromMs);
