import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventSnapshot } from '#libs/contracts';
import { type LocalServer, startRedis } from '#libs/localservers';
import { closeRedis, createRedis, publishEvents, type RedisClient, whenRedisReady } from '#libs/redis';
import { createLogger } from '#libs/runtime';
import { makeSecrets, type Secrets } from '../../stack/secrets.ts';
import type { BenchContext } from '../frame/suite.ts';
import { pin } from '../measure/pinning.ts';
import { TokenMaker } from '../measure/tokens.ts';
import { benchEvent, type EventShape } from '../night/bench-event.ts';
import { BenchStocker } from '../night/bench-stocker.ts';
import { Gateways } from '../night/gateways.ts';
import { findWrk } from '../wrk/find-wrk.ts';
import {
  fullSettings,
  perUserMax,
  quickSettings,
  type ShakesSettings,
  shakeIntervalMs,
  ticketTtlMs,
} from './settings.ts';

const redisReadyMaxMs = 10_000;
/** It shares a core with a server at full load, and a disk with others. */
const commandTimeoutMs = 20_000;
/** The board is read each second, and at once when it says that it changed. */
const knownAfterMs = 1200;
const log = createLogger('bench', 'silent');

export interface Store {
  readonly server: LocalServer;
  readonly client: RedisClient;
}

/** Where the suite's parts measure: a Redis with its stocker, users, folders and cores. Whatever is started here ends with it. */
export class Place {
  /** Number of the next shake: runs go on where the last one ended, so that nobody comes again too soon (driver/turns.ts). */
  nextShake = 0;
  private readonly closers: (() => Promise<void>)[] = [];

  private constructor(
    readonly context: BenchContext,
    readonly settings: ShakesSettings,
    readonly wrk: string,
    readonly secrets: Secrets,
    readonly store: Store,
    readonly stocker: BenchStocker,
    /** Sessions of the suite's users, in their order. */
    readonly tokensFile: string,
  ) {}

  static async open(context: BenchContext): Promise<Place> {
    const settings = context.isQuick ? quickSettings : fullSettings;
    const wrk = await findWrk(context.say);
    const secrets = makeSecrets();
    await mkdir(join(context.dir, 'logs'), { recursive: true });
    const tokensFile = join(context.dir, 'tokens.txt');
    await tokensOf(secrets, 'warm').writeFile(tokensFile, settings.users);
    const store = await openStore(context, 'redis', {});
    const stocker = await BenchStocker.open(store.client);
    const place = new Place(context, settings, wrk, secrets, store, stocker, tokensFile);
    place.onClose(() => closeStore(store));
    return place;
  }

  get serverCore(): number {
    return this.context.machine.serverCores[0]!;
  }

  get driverCore(): number {
    return this.context.machine.driverCore;
  }

  logFile(name: string): string {
    return join(this.context.dir, 'logs', `${name}.log`);
  }

  /** Gateways behind one port, as `GATEWAYS=n` starts them. They end with the place, if not before. */
  async startGateways(name: string, count: number): Promise<Gateways> {
    const { context, secrets, store } = this;
    const { serverCores: cores } = context.machine;
    const logDir = join(context.dir, 'logs');
    const options = { count, cores, redisUrl: store.server.url, secrets, name, logDir, say: context.say };
    const gateways = await Gateways.start(options);
    this.onClose(() => gateways.stop());
    return gateways;
  }

  /** A Redis of its own beside the gateways', with these settings over those of `npm start`. */
  async openStore(name: string, settings: Record<string, string>): Promise<Store> {
    const store = await openStore(this.context, name, settings);
    this.onClose(() => closeStore(store));
    return store;
  }

  /** To be ended with the place; what began last ends first. */
  onClose(close: () => Promise<void>): void {
    this.closers.unshift(close);
  }

  /** Tokens that no gateway has seen, of users 0 to `count` − 1. */
  async freshTokens(series: string, count: number): Promise<string> {
    const path = join(this.context.dir, `tokens-${series}.txt`);
    await tokensOf(this.secrets, series).writeFile(path, count);
    return path;
  }

  /** Puts events that divide the packets among them on the board and waits until gateways must know them. */
  async publish(
    ids: readonly number[],
    packetsPerSecond: number,
    shape: Partial<EventShape> = {},
  ): Promise<EventSnapshot[]> {
    const usual = { perUserMax, ticketTtlMs, shakeIntervalMs, nowMs: Date.now() };
    const events = ids.map((id) =>
      benchEvent({ ...usual, id, packetsPerSecond: packetsPerSecond / ids.length, ...shape }),
    );
    await publishEvents(this.store.client, events);
    await delay(knownAfterMs);
    return events;
  }

  async close(): Promise<void> {
    const faults: unknown[] = [];
    for (const close of this.closers) await close().catch((error: unknown) => faults.push(error));
    if (faults.length > 0) throw new AggregateError(faults, `not everything could be ended: ${faults.join('; ')}`);
  }
}

function tokensOf({ SESSION_SECRET }: Secrets, series: string): TokenMaker {
  return new TokenMaker(SESSION_SECRET, series, Math.floor(Date.now() / 1000));
}

/** A Redis on the servers' core. */
async function openStore(context: BenchContext, name: string, settings: Record<string, string>): Promise<Store> {
  const server = await startRedis({ dir: join(context.dir, name), settings, say: context.say });
  await pin(server.pid, context.machine.serverCores[0]!);
  const client = createRedis('cache', server.url, { name: 'benchmark', log, commandTimeoutMs });
  if (!(await whenRedisReady(client, redisReadyMaxMs))) throw new Error('the Redis of the benchmark does not answer');
  return { server, client };
}

async function closeStore({ client, server }: Store): Promise<void> {
  await closeRedis(client);
  await server.stop();
}
