import type { Log } from './log.ts';
import { closeRedis, type RedisClient } from './redis-client.ts';

export type Unsubscribe = () => void;
export type ChannelListener = (message: string) => void;

/** How often a silent connection is proved alive: a dead one would lose replies unnoticed. */
const pingIntervalMs = 5000;

/**
 * Keeps subscriptions alive over reconnects, also when Redis was down at the start. What is said while it is away is lost: pub/sub
 * is lossy, whoever depends on a message has another way to learn of it.
 */
export class ChannelSubscriber {
  private readonly listeners = new Map<string, Set<ChannelListener>>();
  /** Channels that this connection has been confirmed for. */
  private readonly confirmed = new Set<string>();
  private readonly changed = new Set<() => void>();
  private readonly pinger: NodeJS.Timeout;

  /** @param client a connection of role `subscriber`, for nothing else; closed by `close`. */
  constructor(
    private readonly client: RedisClient,
    private readonly log: Log,
  ) {
    client.on('message', (channel: string, message: string) => this.deliver(channel, message));
    client.on('ready', () => this.confirm([...this.listeners.keys()]));
    client.on('close', () => this.confirmed.clear());
    if (client.status === 'ready') this.confirm([...this.listeners.keys()]);
    this.pinger = setInterval(() => this.ping(), pingIntervalMs).unref();
  }

  /** Calls `listener` with every message on `channel` from now on (from the next connection on, while Redis is away). */
  subscribe(channel: string, listener: ChannelListener): Unsubscribe {
    const listeners = this.listeners.get(channel) ?? new Set();
    this.listeners.set(channel, listeners.add(listener));
    if (listeners.size === 1) this.confirm([channel]);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      this.listeners.delete(channel);
      this.drop(channel);
    };
  }

  /** Every channel is subscribed at the moment. */
  get isSubscribed(): boolean {
    return [...this.listeners.keys()].every((channel) => this.confirmed.has(channel));
  }

  /** True once every channel is subscribed; false when `timeoutMs` passed before. */
  async whenSubscribed(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!this.isSubscribed) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return false;
      await this.nextChange(leftMs);
    }
    return true;
  }

  async close(): Promise<void> {
    clearInterval(this.pinger);
    this.listeners.clear();
    await closeRedis(this.client);
  }

  private deliver(channel: string, message: string): void {
    for (const listener of this.listeners.get(channel) ?? []) {
      try {
        listener(message);
      } catch (error) {
        // One bad message must not end the process that hears it, nor keep it from the other listeners.
        this.log.error({ channel, err: error }, 'a message could not be used');
      }
    }
  }

  /** Subscribes where there is a connection; without one, its `ready` does it. */
  private confirm(channels: string[]): void {
    if (channels.length === 0 || this.client.status !== 'ready') return;
    this.client.subscribe(...channels).then(
      () => {
        for (const channel of channels) this.confirmed.add(channel);
        for (const wake of this.changed) wake();
      },
      (error: unknown) => this.startOver(error),
    );
  }

  private drop(channel: string): void {
    this.confirmed.delete(channel);
    if (this.client.status !== 'ready') return;
    this.client.unsubscribe(channel).catch((error: unknown) => this.startOver(error));
  }

  private ping(): void {
    if (this.client.status === 'ready') this.client.ping().catch((error: unknown) => this.startOver(error));
  }

  /** A connection on which a subscription failed is of no use: the next one subscribes to everything again. */
  private startOver(error: unknown): void {
    if (this.client.status !== 'ready') return;
    this.log.warn({ err: error }, 'subscriptions start over on a new connection');
    this.client.disconnect(true);
  }

  private async nextChange(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.changed.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.changed.add(wake);
    });
  }
}
