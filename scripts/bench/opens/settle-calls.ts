import type { BenchSystem } from './bench-system.ts';

const scrapeMaxMs = 5000;

/** Settlement calls of opens that allocation made. */
export interface SettleCalls {
  readonly calls: number;
  readonly items: number;
  readonly seconds: number;
  /** Calls that were made again: conflicts, or a database that was away. */
  readonly repeats: number;
  readonly itemsPerCall: number;
}

/** What allocation counted since its start. */
export async function readSettleCalls(system: Pick<BenchSystem, 'allocationMetricsUrl'>): Promise<SettleCalls> {
  const answer = await fetch(system.allocationMetricsUrl, { signal: AbortSignal.timeout(scrapeMaxMs) });
  return settleCallsIn(await answer.text());
}

/** The same from the text of the metrics. */
export function settleCallsIn(text: string): SettleCalls {
  const sumOf = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}\\{[^}]*kind="open"[^}]*\\} (\\S+)$`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  return withMean({
    calls: sumOf('hongbao_settle_call_items_count'),
    items: sumOf('hongbao_settle_call_items_sum'),
    seconds: sumOf('hongbao_settle_call_seconds_sum'),
    repeats: sumOf('hongbao_settle_repeats_total'),
  });
}

export function settledBetween(before: SettleCalls, after: SettleCalls): SettleCalls {
  return withMean({
    calls: after.calls - before.calls,
    items: after.items - before.items,
    seconds: after.seconds - before.seconds,
    repeats: after.repeats - before.repeats,
  });
}

function withMean(counted: Omit<SettleCalls, 'itemsPerCall'>): SettleCalls {
  return { ...counted, itemsPerCall: counted.calls === 0 ? 0 : counted.items / counted.calls };
}
