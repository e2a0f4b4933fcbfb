import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { HongbaoClient } from '#libs/client';
import { TokenMaker } from '../measure/tokens.ts';
import type { BenchSystem } from '../opens/bench-system.ts';
import { RecordingTransport } from './transport.ts';

/** A phone that could not even read the event is put away for so long. */
const pauseMs = 1000;

/** A ticket that was won, and what became of it; monotonic milliseconds. */
export interface CrowdOpen {
  readonly userName: string;
  readonly packetId: string;
  readonly ticket: string;
  readonly wonAtMs: number;
  endedAtMs?: number;
  /** The SDK's word; undefined while it is pursued. */
  outcome?: string;
}

/** So many phones with the SDK of today, that shake all the time and open what they win; whoever has won all he may is followed by another. */
export class SdkCrowd {
  readonly transport = new RecordingTransport();
  readonly opens: CrowdOpen[] = [];
  private readonly tokens: TokenMaker;
  private readonly stopping = new AbortController();
  private readonly underWay = new Set<Promise<void>>();
  private phones: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly system: BenchSystem,
    private readonly eventId: string,
    private readonly newUser: () => number,
  ) {
    this.tokens = new TokenMaker(system.secrets.SESSION_SECRET, 'storm', Math.floor(Date.now() / 1000));
    setMaxListeners(0, this.stopping.signal);
  }

  /** They come one after the other, spread over `spreadMs`. */
  start(phones: number, spreadMs: number): void {
    const lives = Array.from({ length: phones }, (_, no) => this.live((no * spreadMs) / phones));
    this.phones = Promise.all(lives);
  }

  /** No more shakes; resolves when every ticket has an outcome. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.phones;
    await Promise.all(this.underWay);
    await this.transport.close();
  }

  private async live(afterMs: number): Promise<void> {
    const { signal } = this.stopping;
    await delay(afterMs, undefined, { signal }).catch(() => undefined);
    while (!signal.aborted) {
      await this.play(`storm-${this.newUser()}`).catch(async () => {
        // unknown event, silence for minutes: no phone of this crowd is to be lost for good
        await delay(pauseMs, undefined, { signal }).catch(() => undefined);
      });
    }
  }

  private async play(userName: string): Promise<void> {
    const baseUrl = this.system.stack.gatewayUrl;
    const { fetch } = this.transport;
    const client = new HongbaoClient({ baseUrl, token: this.tokens.makeFor(userName), fetch });
    await client.shakeLoop(this.eventId, {
      signal: this.stopping.signal,
      onHit: ({ ticket, packetId }) => {
        const open: CrowdOpen = { userName, packetId, ticket, wonAtMs: performance.now() };
        this.opens.push(open);
        const opening = this.open(client, open);
        this.underWay.add(opening);
        void opening.finally(() => this.underWay.delete(opening));
      },
    });
  }

  private async open(client: HongbaoClient, open: CrowdOpen): Promise<void> {
    const { outcome } = await client.open(open.ticket);
    open.outcome = outcome;
    open.endedAtMs = performance.now();
  }
}
