import { setTimeout as delay } from 'node:timers/promises';
import { signClaim, verifyClaim } from '#libs/domain';
import { signalAll, treeOf } from '../../chaos/process-tree.ts';
import { numberText } from '../frame/report.ts';
import { type BarRule, type Figures, judged, type Part, type PartReport, RefusedError } from '../frame/suite.ts';
import { quantile, rotated, rounded } from '../measure/statistics.ts';
import { TokenMaker } from '../measure/tokens.ts';
import type { BenchSystem } from '../opens/bench-system.ts';
import type { SdkCrowd } from './sdk-crowd.ts';
import type { StormStage } from './storm-stage.ts';
import type { SentRequest } from './transport.ts';

const grabsPerSecond = 100;
const tickMs = 20;
const sharesLastMs = 600_000;
const states = ['well', 'hanging'] as const;
type State = (typeof states)[number];
/** What a state leaves behind is over after this. */
const settleMs = 3000;

const measured = ['shake', 'open'] as const;
/** Over the same while it is well, with room for the noise of a shared machine. */
const ratioMax = { p50: 1.25, p99: 1.5 } as const;
type Quantile = keyof typeof ratioMax;
const quantiles = Object.keys(ratioMax) as Quantile[];
const ruleOf = (route: string, name: Quantile): BarRule => ({
  name: `${route}s while the share service hangs: ${name}, ms`,
  sense: 'at most',
  bar: ratioMax[name],
});

/** What shakes and opens notice of a share service that hangs while friends ask it for grabs. */
export const besidePart: Part<StormStage> = {
  name: 'beside',
  bars: measured.flatMap((route) => quantiles.map((name) => ruleOf(route, name))),
  measure: async (stage) => await stage.withCrowd('beside', (system, crowd) => measure(stage, system, crowd)),
};

async function measure(stage: StormStage, system: BenchSystem, crowd: SdkCrowd): Promise<PartReport> {
  const { signal } = stage.context;
  const { besideRounds, besideMs } = stage.settings;
  const friends = new Friends(system, crowd);
  friends.start();
  const seen: Record<State, SentRequest[]> = { well: [], hanging: [] };
  try {
    for (let round = 0; round < besideRounds; round++) {
      for (const state of rotated(states, round)) {
        const pids = treeOf(system.stack.process('share').pid);
        if (state === 'hanging') signalAll(pids, 'SIGSTOP');
        try {
          const from = crowd.transport.sent.length;
          await delay(besideMs, undefined, { signal });
          const to = crowd.transport.sent.length;
          await delay(settleMs, undefined, { signal });
          seen[state].push(...crowd.transport.sent.slice(from, to));
        } finally {
          signalAll(pids, 'SIGCONT');
        }
        await delay(settleMs, undefined, { signal });
      }
    }
  } finally {
    await friends.stop();
  }
  return reportOf(seen);
}

/** They ask for portions of shares, at a steady rate, whatever the answers are. */
class Friends {
  private readonly tokens: TokenMaker;
  private readonly underWay = new Set<Promise<unknown>>();
  private timer: NodeJS.Timeout | undefined;
  private asked = 0;

  constructor(
    private readonly system: BenchSystem,
    private readonly crowd: SdkCrowd,
  ) {
    this.tokens = new TokenMaker(system.secrets.SESSION_SECRET, 'friends', Math.floor(Date.now() / 1000));
  }

  start(): void {
    this.timer = setInterval(() => {
      for (let no = 0; no < (grabsPerSecond * tickMs) / 1000; no++) this.grab();
    }, tickMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.allSettled(this.underWay);
  }

  private grab(): void {
    const { opens } = this.crowd;
    const share = opens[this.asked % Math.max(opens.length, 1)];
    this.asked += 1;
    if (share === undefined) return;
    const grabbing = this.ask(this.shareTokenOf(share.ticket), `friend-${this.asked}`);
    this.underWay.add(grabbing);
    void grabbing.catch(() => undefined).finally(() => this.underWay.delete(grabbing));
  }

  private ask(shareToken: string, userName: string): Promise<unknown> {
    const url = `${this.system.stack.gatewayUrl}/v1/shares/${shareToken}/grab`;
    const headers = { authorization: `Bearer ${this.tokens.makeFor(userName)}` };
    return this.crowd.transport.fetch(url, { method: 'POST', headers, signal: AbortSignal.timeout(20_000) });
  }

  /** As the gateway makes it of a ticket. */
  private shareTokenOf(ticket: string): string {
    const claim = verifyClaim(this.system.ring, 'ticket', ticket);
    if (claim === undefined) throw new Error('a gateway signed a ticket that does not verify');
    return signClaim(this.system.ring, { ...claim, kind: 'share', atMs: Date.now() + sharesLastMs });
  }
}

function reportOf(seen: Readonly<Record<State, readonly SentRequest[]>>): PartReport {
  const figures = Object.fromEntries(states.map((state) => [state, figuresOf(seen[state])]));
  const rows = measured.flatMap((route) => {
    const [hanging, well] = [latencyOf(seen.hanging, route), latencyOf(seen.well, route)];
    return quantiles.map((name) => {
      const rule = ruleOf(route, name);
      const [value, beside] = [hanging[`${name}Ms`], well[`${name}Ms`]];
      const ratio = rounded(value / beside);
      return { name: rule.name, value: numberText(value), beside: numberText(beside), ratio, bar: judged(rule, ratio) };
    });
  });
  return { figures, rows };
}

function latencyOf(sent: readonly SentRequest[], route: string) {
  const asked = sent.filter((one) => one.route === route);
  const times = asked.flatMap(({ tookMs, status }) => (status === 200 && tookMs !== undefined ? [tookMs] : []));
  if (times.length === 0) throw new RefusedError(`no ${route} was answered`);
  times.sort((a, b) => a - b);
  return {
    asked: asked.length,
    answered: times.length,
    p50Ms: rounded(quantile(times, 0.5)),
    p99Ms: rounded(quantile(times, 0.99)),
  };
}

function figuresOf(sent: readonly SentRequest[]): Figures {
  const grabs = sent.filter(({ route }) => route === 'grab');
  const byStatus: Record<string, number> = {};
  for (const { status = 'none' } of grabs) byStatus[status] = (byStatus[status] ?? 0) + 1;
  return { ...Object.fromEntries(measured.map((route) => [route, latencyOf(sent, route)])), grabs: byStatus };
}
