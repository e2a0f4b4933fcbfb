import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { TokenMaker } from '../measure/tokens.ts';
import { makeWorkload, userNameOf } from '../opens/workload.ts';
import { Arrivals } from './arrivals.ts';
import { Connections } from './connections.ts';
import { statusOf } from './http-answer.ts';
import { answerLine } from './open-answers.ts';
import { requestsOf } from './open-requests.ts';
import { OpenTraffic } from './open-traffic.ts';
import type { BesidePlan, BesideRequest, BesideResult, OpensScript } from './plans.ts';

/** How often it is looked whether something is due: it has no core of its own. */
const lookMs = 1;
const okStatus = 200;
/** What has no outcome yet at the end is pursued for this long. */
const lastOutcomesMs = 30_000;

/** Opens and reads beside a flood of shakes, until `stop` says so. */
export async function loadBeside(plan: BesidePlan, onStarted: () => void, stop: AbortSignal): Promise<BesideResult> {
  const script = JSON.parse(await readFile(plan.scriptFile, 'utf8')) as OpensScript;
  const { shape, sessionSecret } = script;
  const tokens = new TokenMaker(sessionSecret, 'beside', Math.floor(Date.now() / 1000));
  const { port, connections: count } = plan;
  const workload = makeWorkload(shape);
  const requests = requestsOf(port, script, workload, tokens);
  const connections: Connections = new Connections({
    port,
    count,
    onAnswer: (connection, bytes, bodyAt) => opens.answered(connection, bytes, bodyAt),
    onLost: (connection) => opens.lost(connection),
  });
  const opens = new OpenTraffic({ workload, requests, connections, perSecond: plan.opensPerSecond });
  const reads = new WalletReads(
    plan,
    shape.users.map((user) => tokens.makeFor(userNameOf(user))),
  );
  await Promise.all([connections.start(), reads.start()]);
  onStarted();
  opens.begin();
  opens.measure();
  reads.begin();
  const looking = setInterval(() => {
    opens.pump();
    reads.pump();
  }, lookMs);
  try {
    await untilStopped(plan.msMax, stop);
    opens.end();
    reads.stop();
    const deadline = performance.now() + lastOutcomesMs;
    while (!opens.isSettled && performance.now() < deadline) await delay(lookMs);
  } finally {
    clearInterval(looking);
    connections.end();
    reads.end();
  }
  const outcomes = opens.outcomes();
  await writeFile(plan.answersFile, outcomes.map(answerLine).join(''), { mode: 0o600 });
  const { answers, unsettled, lagP99Ms } = opens.result(outcomes);
  return { opens: opens.firstOpens().map(requestOf), reads: reads.requests, answers, unsettled, lagP99Ms };
}

function requestOf(open: { dueMs: number; settledMs: number; refusals: number }): BesideRequest {
  const { dueMs, settledMs, refusals } = open;
  const took = settledMs < 0 ? {} : { tookMs: settledMs - dueMs };
  return { dueAtMs: performance.timeOrigin + dueMs, refusals, ...took };
}

async function untilStopped(msMax: number, stop: AbortSignal): Promise<void> {
  try {
    await delay(msMax, undefined, { signal: stop });
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

/** Users who look at their wallets. */
class WalletReads {
  readonly requests: BesideRequest[] = [];
  private readonly connections: Connections;
  private readonly dueOn: number[] = [];
  private arrivals: Arrivals | undefined;
  private sent = 0;

  constructor(
    private readonly plan: BesidePlan,
    private readonly tokens: readonly string[],
  ) {
    this.connections = new Connections({
      port: plan.port,
      count: plan.connections,
      onAnswer: (connection, bytes) => this.ended(connection, statusOf(bytes) === okStatus),
      onLost: (connection) => this.ended(connection, false),
    });
  }

  start(): Promise<void> {
    return this.connections.start();
  }

  begin(): void {
    this.arrivals = new Arrivals(performance.now(), this.plan.readsPerSecond);
  }

  stop(): void {
    this.arrivals = undefined;
  }

  end(): void {
    this.connections.end();
  }

  pump(): void {
    const nowMs = performance.now();
    while (this.arrivals !== undefined && this.arrivals.dueMs <= nowMs && this.connections.hasFree) {
      const token = this.tokens[this.sent % this.tokens.length]!;
      this.sent += 1;
      const connection = this.connections.send(walletRequest(this.plan.port, token))!;
      this.dueOn[connection] = this.arrivals.take();
    }
  }

  private ended(connection: number, isAnswered: boolean): void {
    const dueMs = this.dueOn[connection]!;
    const tookMs = performance.now() - dueMs;
    const isInTime = isAnswered && tookMs <= this.plan.patienceMs;
    const dueAtMs = performance.timeOrigin + dueMs;
    this.requests.push({ dueAtMs, refusals: Number(!isAnswered), ...(isInTime ? { tookMs } : {}) });
  }
}

function walletRequest(port: number, token: string): string {
  return `GET /v1/me/wallet HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n\r\n`;
}
