import type { ShakeAnswer } from '#libs/contracts';
import { numberText } from '../frame/report.ts';
import { RefusedError } from '../frame/suite.ts';

export type Outcome = ShakeAnswer['result'] | 'refused' | 'cut_off';
/** Shakes by outcome; `refused` got no answer of the draw; `cut_off` is counted in its result too. */
export type Outcomes = ReadonlyMap<string, number>;

const resultLine = /^hongbao_shakes_total\{.*?result="([a-z_]+)".*?\} (\d+)$/gm;
const refusedLine = /^hongbao_shakes_refused_total(?:\{.*?\})? (\d+)$/m;
const cutOffLine = /^hongbao_shakers_cut_off_total(?:\{.*?\})? (\d+)$/m;
const scrapeMaxMs = 5000;

/** The counters of gateways, added up, from the addresses of their metrics. */
export async function readOutcomes(metricsUrls: readonly string[]): Promise<Outcomes> {
  return added((await scrape(metricsUrls)).map(outcomesIn));
}

/** Gauges of one gateway that its pace is set by. */
export interface PaceGauges {
  /** Users whose next shake it awaits. */
  readonly activeUsers: number;
  /** Share of the last half second in which its event loop was busy. */
  readonly utilisation: number;
}

export async function readPaceGauges(metricsUrl: string): Promise<PaceGauges> {
  const [text] = await scrape([metricsUrl]);
  return { activeUsers: gaugeIn(text!, 'hongbao_active_users'), utilisation: gaugeIn(text!, 'hongbao_utilisation') };
}

function gaugeIn(text: string, name: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`));
  if (line === undefined) throw new Error(`the gateway does not tell its ${name}`);
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

function scrape(metricsUrls: readonly string[]): Promise<string[]> {
  return Promise.all(
    metricsUrls.map(async (url) => (await fetch(url, { signal: AbortSignal.timeout(scrapeMaxMs) })).text()),
  );
}

/** The shake counters in the text of a gateway's metrics. */
export function outcomesIn(text: string): Outcomes {
  const counts = new Map([...text.matchAll(resultLine)].map(([, result, count]) => [result!, Number(count)]));
  counts.set('refused', Number(refusedLine.exec(text)?.[1] ?? 0));
  counts.set('cut_off', Number(cutOffLine.exec(text)?.[1] ?? 0));
  return counts;
}

export function added(all: readonly Outcomes[]): Outcomes {
  const sums = new Map<string, number>();
  for (const outcomes of all) for (const [name, count] of outcomes) sums.set(name, (sums.get(name) ?? 0) + count);
  return sums;
}

/** What was counted between two readings. */
export function since(before: Outcomes, after: Outcomes): Outcomes {
  return new Map([...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)]));
}

/** Answers of the draw. */
export function drawnOf(outcomes: Outcomes): number {
  return [...outcomes].reduce(
    (sum, [name, count]) => (name === 'refused' || name === 'cut_off' ? sum : sum + count),
    0,
  );
}

/** Shares of the results in all shakes; those that did not occur are left out. */
export function sharesOf(outcomes: Outcomes): Record<string, number> {
  const all = drawnOf(outcomes) + (outcomes.get('refused') ?? 0);
  const there = [...outcomes].filter(([, count]) => count > 0);
  return Object.fromEntries(there.map(([name, count]) => [name, Math.round((1e5 * count) / all) / 1e5]));
}

/** Shares that a run must have had, each within `lowest` and `highest`; what is not named must not have occurred. */
export type MeantShares = Readonly<Record<string, { readonly lowest: number; readonly highest: number }>>;

/** @throws RefusedError when a run was another one than was meant. */
export function assertShares(what: string, outcomes: Outcomes, meant: MeantShares): void {
  const shares = sharesOf(outcomes);
  const names = new Set([...Object.keys(shares), ...Object.keys(meant)]);
  const faults = [...names].flatMap((name) => {
    const share = shares[name] ?? 0;
    const { lowest = 0, highest = 0 } = meant[name] ?? {};
    if (share >= lowest && share <= highest) return [];
    return [
      `${(100 * share).toFixed(2)} % ${name}, meant ${numberText(100 * lowest)} to ${numberText(100 * highest)} %`,
    ];
  });
  if (faults.length > 0) throw new RefusedError(`${what}: ${faults.join('; ')}`);
}

/** @throws RefusedError when the gateway's own count is not the driver's. A few requests are under way when a driver begins and ends. */
export function assertCounted(what: string, outcomes: Outcomes, requests: number, underWayMax: number): void {
  const counted = drawnOf(outcomes) + (outcomes.get('refused') ?? 0);
  if (Math.abs(counted - requests) <= underWayMax) return;
  throw new RefusedError(`${what}: the gateway counted ${counted} shakes, the driver ${requests}`);
}
