import { Redis, type RedisOptions } from 'ioredis';
import type { Log } from './log.ts';

/** A connection to Redis; made by `createRedis` alone. */
export type RedisClient = Redis;

/**
 * `producer`, `cache`: fail at once while Redis is away, answer or fail within `commandTimeoutMs`, repeat nothing by themselves.
 * `worker`: waits for as long as Redis is away and sends again what was not answered, as BullMQ's workers need it.
 * `subscriber`: carries subscriptions alone; `ChannelSubscriber` keeps them over reconnects.
 */
export type RedisRole = 'producer' | 'cache' | 'worker' | 'subscriber';

export interface CreateRedisOptions {
  /** Shown by `CLIENT LIST` and in the log: `gateway-0.producer`. */
  readonly name: string;
  readonly log: Log;
  /** Longest wait for one command's reply; for workers there is none. */
  readonly commandTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** Made for a part of the process that does not run in its role: it does not connect. */
  readonly isUnused?: boolean;
}

const commandTimeoutDefaultMs = 1000;
const connectTimeoutDefaultMs = 2000;
/** A socket that owes an answer and is silent for this many command timeouts is dead: it is replaced, or its backlog grows. */
const silentCommandTimeouts = 3;
/** Over the 10 s for which BullMQ blocks at most; beyond it a silent socket is taken for dead. */
const workerSilenceMs = 20_000;
const reconnectFirstMs = 50;
const reconnectMaxMs = 2000;
const closeTimeoutMs = 1000;

/**
 * A client that connects in the background and reconnects for ever. Never throws and never emits an unhandled error: an outage is
 * logged once when it begins and once when it ends.
 * @param url `redis://` or `rediss://` with the whole address.
 */
export function createRedis(role: RedisRole, url: string, options: CreateRedisOptions): RedisClient {
  const client = new Redis(url, redisOptions(role, options));
  logOutages(client, options.name, options.log);
  return client;
}

/** The explicit options of a role; every default of ioredis that matters is spelled out. */
export function redisOptions(
  role: RedisRole,
  options: Omit<CreateRedisOptions, 'log'>,
): RedisOptions & { readonly replyMapping: 'legacy' } {
  const commandTimeoutMs = options.commandTimeoutMs ?? commandTimeoutDefaultMs;
  return {
    connectionName: options.name,
    connectTimeout: options.connectTimeoutMs ?? connectTimeoutDefaultMs,
    protocol: 3,
    replyMapping: 'legacy',
    retryStrategy: reconnectDelayMs,
    // A primary that was demoted under this connection refuses writes: look for the new one.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    enableReadyCheck: true,
    enableAutoPipelining: false,
    autoResubscribe: false,
    lazyConnect: options.isUnused ?? false,
    ...(role === 'worker' ? patient : failingFast(commandTimeoutMs)),
  };
}

const patient = {
  enableOfflineQueue: true,
  maxRetriesPerRequest: null,
  autoResendUnfulfilledCommands: true,
  socketTimeout: workerSilenceMs,
};

function failingFast(commandTimeoutMs: number) {
  return {
    commandTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    socketTimeout: silentCommandTimeouts * commandTimeoutMs,
  };
}

/** Exponential up to `reconnectMaxMs`, then spread over its upper half, so that a fleet does not come back in one instant. */
function reconnectDelayMs(attempt: number): number {
  const delayMs = Math.min(reconnectFirstMs * 2 ** Math.min(attempt - 1, 10), reconnectMaxMs);
  return delayMs / 2 + Math.random() * (delayMs / 2);
}

/** Handles the client's error events: one line when an outage begins, one when it is over. */
export function logOutages(client: RedisClient, name: string, log: Log): void {
  let awaySince: number | undefined;
  client.on('error', (error: Error) => {
    if (awaySince !== undefined) return;
    awaySince = performance.now();
    log.warn({ connection: name, err: error }, 'Redis is away');
  });
  client.on('ready', () => {
    if (awaySince === undefined) return;
    log.info({ connection: name, awayMs: Math.round(performance.now() - awaySince) }, 'Redis is back');
    awaySince = undefined;
  });
}

/** True once the client can be used; false when `timeoutMs` passed or it was closed. */
export async function whenRedisReady(client: RedisClient, timeoutMs: number): Promise<boolean> {
  if (client.status === 'ready' || client.status === 'end') return client.status === 'ready';
  return await new Promise((resolve) => {
    const settle = (isReady: boolean) => {
      clearTimeout(timer);
      client.off('ready', onReady).off('end', onEnd);
      resolve(isReady);
    };
    const onReady = () => settle(true);
    const onEnd = () => settle(false);
    const timer = setTimeout(settle, timeoutMs, false);
    client.on('ready', onReady).on('end', onEnd);
  });
}

/** Ends a connection for good, gently where Redis answers; never rejects. What was not answered is rejected. */
export async function closeRedis(client: RedisClient): Promise<void> {
  const isEnded = () => client.status === 'end';
  if (client.status === 'ready') {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      client.once('end', resolve);
      timer = setTimeout(resolve, closeTimeoutMs);
      // A connection that breaks while it says goodbye is as closed as can be.
      client.quit().catch(() => resolve());
    });
    clearTimeout(timer);
  }
  if (!isEnded()) client.disconnect();
}
