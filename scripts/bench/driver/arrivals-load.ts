import { quantile } from '../measure/statistics.ts';
import { Arrivals } from './arrivals.ts';
import { Connections } from './connections.ts';
import { statusOf } from './http-answer.ts';
import type { ArrivalsPlan, ArrivalsResult } from './plans.ts';
import { Requests } from './requests.ts';
import { spin } from './spin.ts';

const okStatus = 200;
/** What is still owed after the last request is waited for this long. */
const lastAnswersMs = 2000;

/** Sends by the schedule, whatever the answers do; a request that finds no free connection waits for one, and its wait counts. */
export async function loadByArrivals(plan: ArrivalsPlan, onStarted: () => void): Promise<ArrivalsResult> {
  const requests = await Requests.read(plan.tokensFile, plan.port, plan.eventIds);
  const dueAt = new Float64Array(plan.connections);
  const latencies: number[] = [];
  const lags: number[] = [];
  let failed = 0;
  let owed = 0;
  let sent = 0;
  let measureFromMs = Number.POSITIVE_INFINITY;
  const connections = new Connections({
    port: plan.port,
    count: plan.connections,
    onAnswer: (connection, bytes) => {
      owed -= 1;
      if (statusOf(bytes) !== okStatus) failed += 1;
      if (dueAt[connection]! >= measureFromMs) latencies.push(performance.now() - dueAt[connection]!);
    },
    onLost: () => {
      owed -= 1;
      failed += 1;
    },
  });
  await connections.start();
  onStarted();
  const startMs = performance.now();
  measureFromMs = startMs + plan.warmUpMs;
  const endMs = measureFromMs + plan.measureMs;
  const arrivals = new Arrivals(startMs, plan.perSecond);
  await spin(() => {
    const nowMs = performance.now();
    while (arrivals.dueMs <= nowMs && arrivals.dueMs < endMs) {
      const connection = connections.send(requests.at(plan.firstShake + sent));
      if (connection === undefined) break;
      sent += 1;
      owed += 1;
      const dueMs = arrivals.take();
      dueAt[connection] = dueMs;
      if (dueMs >= measureFromMs) lags.push(performance.now() - dueMs);
    }
    const isSent = arrivals.dueMs >= endMs;
    return isSent && (owed === 0 || nowMs > endMs + lastAnswersMs) ? 'done' : 'on';
  });
  connections.end();
  return { sent, failed: failed + owed, ...summaryOf(plan, latencies, lags) };
}

function summaryOf(plan: ArrivalsPlan, latencies: number[], lags: number[]): Omit<ArrivalsResult, 'sent' | 'failed'> {
  const sorted = Float64Array.from(latencies).sort();
  const sortedLags = Float64Array.from(lags).sort();
  return {
    answered: sorted.length,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    p999Ms: quantile(sorted, 0.999),
    maxMs: quantile(sorted, 1),
    lagP50Ms: quantile(sortedLags, 0.5),
    lagP99Ms: quantile(sortedLags, 0.99),
    answeredPerSecond: (sorted.length * 1000) / plan.measureMs,
  };
}
