import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { TokenMaker } from '../measure/tokens.ts';
import { makeWorkload } from '../opens/workload.ts';
import { Connections } from './connections.ts';
import { answerLine } from './open-answers.ts';
import { requestsOf } from './open-requests.ts';
import { OpenTraffic } from './open-traffic.ts';
import type { DriverPhase, OpensPlan, OpensResult, OpensScript } from './plans.ts';

/** How often it is looked whether something is due: it must not spin, the servers have the same cores. */
const lookMs = 1;
/** What has no outcome yet after the last open is pursued for this long. */
const lastOutcomesMs = 30_000;

/** Opens tickets, pursues each to its outcome and writes all answers down. */
export async function loadOpens(plan: OpensPlan, onPhase: (phase: DriverPhase) => void): Promise<OpensResult> {
  const script = JSON.parse(await readFile(plan.scriptFile, 'utf8')) as OpensScript;
  const workload = makeWorkload(script.shape);
  const tokens = new TokenMaker(script.sessionSecret, 'opens', Math.floor(Date.now() / 1000));
  const requests = requestsOf(plan.port, script, workload, tokens);
  const connections: Connections = new Connections({
    port: plan.port,
    count: plan.connections,
    onAnswer: (connection, bytes, bodyAt) => traffic.answered(connection, bytes, bodyAt),
    onLost: (connection) => traffic.lost(connection),
  });
  const traffic = new OpenTraffic({ workload, requests, connections, perSecond: plan.perSecond });
  await connections.start();
  onPhase('started');
  traffic.begin();
  const looking = setInterval(() => traffic.pump(), lookMs);
  try {
    await delay(plan.warmUpMs);
    onPhase('measuring');
    traffic.measure();
    await delay(plan.measureMs);
    traffic.end();
    onPhase('measured');
    const deadline = performance.now() + lastOutcomesMs;
    while (!traffic.isSettled && performance.now() < deadline) await delay(lookMs);
  } finally {
    clearInterval(looking);
    connections.end();
  }
  const outcomes = traffic.outcomes();
  await writeFile(plan.answersFile, outcomes.map(answerLine).join(''), { mode: 0o600 });
  return traffic.result(outcomes);
}
