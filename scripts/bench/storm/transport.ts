import type { FetchAnswer, FetchInit, FetchLike } from '#libs/client';
import { agentOf, fetchThrough } from '../../rehearse/agent-fetch.ts';
import { routeOf } from '../../rehearse/transport.ts';

/** Sockets, shared by all phones; shakes have their own, so that they do not wait for opens that wait for money. */
const connectionsMax = { shake: 256, other: 1024 };

/** One request as it went out, and what came of it; monotonic milliseconds. */
export interface SentRequest {
  readonly route: string;
  readonly sentAtMs: number;
  /** Undefined: no answer came. */
  status?: number;
  tookMs?: number;
}

/** `fetch` for the SDK over pools of sockets, that writes down each request. */
export class RecordingTransport {
  readonly sent: SentRequest[] = [];
  private readonly shakeAgent = agentOf(connectionsMax.shake);
  private readonly otherAgent = agentOf(connectionsMax.other);

  readonly fetch: FetchLike = async (url, init) => this.send(url, init);

  async close(): Promise<void> {
    await Promise.all([this.shakeAgent.destroy(), this.otherAgent.destroy()]);
  }

  private async send(url: string, init: FetchInit): Promise<FetchAnswer> {
    const entry: SentRequest = { route: routeOf(init.method, new URL(url).pathname), sentAtMs: performance.now() };
    this.sent.push(entry);
    const answer = await fetchThrough(entry.route === 'shake' ? this.shakeAgent : this.otherAgent, url, init);
    entry.status = answer.status;
    entry.tookMs = performance.now() - entry.sentAtMs;
    return answer;
  }
}
