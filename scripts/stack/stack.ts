import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { applyMigrations } from '#libs/database';
import { type LocalServer, makePassableDir, startPostgres, startRedis } from '#libs/localservers';
import { takeDataDir } from './data-dir-lock.ts';
import { ensureDemoEvent } from './demo-event.ts';
import { findStoreFaults } from './given-stores.ts';
import { keepServerUp } from './keep-server-up.ts';
import { choosePorts } from './ports.ts';
import { projectRoot } from './project-root.ts';
import { loadSecrets } from './secrets.ts';
import { portNames, type ServiceDefinition, serviceEnv, servicesOf, urlOf, type Wiring } from './service-env.ts';
import { ServiceProcess, type StackProcess } from './service-process.ts';
import { SettingsError, type StackOptions } from './stack-options.ts';
import { findStackFaults } from './start-settings.ts';

/** The running system, with a handle to each of its processes. */
export type Stack = {
  readonly gatewayUrl: string;
  /** Where opens go: the same as `gatewayUrl` unless split. */
  readonly moneyUrl: string;
  readonly opsUrl: string;
  readonly allocationUrl: string;
  readonly shareUrl: string;
  readonly opsToken: string;
  readonly viewerToken: string;
  readonly internalToken: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly processes: readonly StackProcess[];
  /** Undefined when the caller brought its own. */
  readonly postgres: LocalServer | undefined;
  readonly redis: LocalServer | undefined;
  readonly demoEventId: string | undefined;
  /** The handle of that name (`allocation`, `share`, `ops`, `gateway-0`, `gateway-money`); throws when there is none. */
  process(name: string): StackProcess;
  /**
   * Drains the gateways, then ends the other services, then the servers. No process stays. May be called again. When this process
   * exits without it, everything is killed.
   */
  stop(): Promise<void>;
};

type Parts = {
  services: ServiceProcess[];
  postgres?: LocalServer;
  redis?: LocalServer;
  releaseDataDir?: () => Promise<void>;
  kill: () => void;
};

/**
 * Brings up the whole system: PostgreSQL and Redis (unless given), migrations, services, demo event. The services must have been
 * built. Throws {@link SettingsError} before anything is started when a setting is bad or a port is taken; when a later step fails,
 * what was started is ended first.
 */
export async function startStack(given: StackOptions): Promise<Stack> {
  const options = { ...given, dataDir: resolve(given.dataDir) };
  const faults = [...(await findStackFaults(options)), ...(await findStoreFaults(options))];
  if (faults.length > 0) throw new SettingsError(faults);
  const parts: Parts = { services: [], kill: () => killParts(parts) };
  process.once('exit', parts.kill);
  try {
    return await assemble(options, parts);
  } catch (error) {
    await stopParts(parts);
    throw error;
  }
}

async function assemble(options: StackOptions, parts: Parts): Promise<Stack> {
  const { signal, say = () => undefined } = options;
  await openDataDir(options, parts);
  const definitions = servicesOf(options);
  const names = [portNames.postgres, portNames.redis, portNames.allocation, portNames.share, portNames.money];
  const metrics = definitions.map(({ name }) => portNames.metricsOf(name));
  const ports = await portsOf(options, [...names, ...metrics]);
  const secrets = await loadSecrets(options.dataDir, options.env ?? {});
  say('starting PostgreSQL and Redis …');
  const servers = await startServers(options, ports, parts);
  const wiring: Wiring = { ports, secrets, ...servers };
  signal?.throwIfAborted();
  await migrate(wiring.databaseUrl);
  signal?.throwIfAborted();
  say(`starting ${definitions.map(({ name }) => name).join(', ')} …`);
  parts.services = definitions.map((definition) => serviceOf(definition, options, wiring));
  // Gateways last: the door opens when there is somebody behind it.
  const isDoor = (service: ServiceProcess) => service.name.startsWith('gateway');
  await startAll(
    parts.services.filter((service) => !isDoor(service)),
    signal,
  );
  await startAll(parts.services.filter(isDoor), signal);
  const stack = stackOf(options, wiring, parts);
  if (!options.demoEvent) return stack;
  return { ...stack, demoEventId: await ensureDemoEvent({ ...stack, dataDir: options.dataDir }, signal) };
}

async function portsOf(options: StackOptions, names: readonly string[]): Promise<Readonly<Record<string, number>>> {
  const { dataDir, port, opsPort, moneyPort } = options;
  const money = moneyPort === undefined ? {} : { [portNames.money]: moneyPort };
  const open = names.filter((name) => !(name in money));
  return { ...(await choosePorts(dataDir, open, [port, opsPort, ...Object.values(money)])), ...money };
}

async function openDataDir(options: StackOptions, parts: Parts): Promise<void> {
  const { dataDir } = options;
  await mkdir(dataDir, { recursive: true });
  if (process.getuid?.() === 0) await makePassableDir(dataDir);
  await mkdir(join(dataDir, 'logs'), { recursive: true, mode: 0o700 });
  const lock = await takeDataDir(dataDir);
  if (!lock.taken) throw new SettingsError([`DATA_DIR: ${dataDir} is in use by process ${lock.holder}`]);
  parts.releaseDataDir = lock.release;
}

async function startServers(
  options: StackOptions,
  ports: Readonly<Record<string, number>>,
  parts: Parts,
): Promise<{ databaseUrl: string; redisUrl: string }> {
  const { dataDir, say = () => undefined } = options;
  const portOf = (name: string) => ({ port: ports[name] ?? 0 });
  const postgres = async () => {
    if (options.databaseUrl !== undefined) return options.databaseUrl;
    parts.postgres = await startPostgres({ dataDir: join(dataDir, 'postgres'), ...portOf(portNames.postgres), say });
    keepServerUp('PostgreSQL', parts.postgres, say);
    return parts.postgres.url;
  };
  const redis = async () => {
    if (options.redisUrl !== undefined) return options.redisUrl;
    parts.redis = await startRedis({ dir: join(dataDir, 'redis'), ...portOf(portNames.redis), say });
    keepServerUp('Redis', parts.redis, say);
    return parts.redis.url;
  };
  // Both are waited for even when one fails: what came up must be known to be ended.
  const [database, cache] = await Promise.allSettled([postgres(), redis()]);
  if (database.status === 'rejected') throw database.reason;
  if (cache.status === 'rejected') throw cache.reason;
  return { databaseUrl: database.value, redisUrl: cache.value };
}

async function migrate(databaseUrl: string): Promise<void> {
  try {
    await applyMigrations(databaseUrl, join(projectRoot, 'prisma', 'migrations'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message || String(cause.cause ?? cause.name) : String(cause);
    throw new Error(`The database cannot be migrated: ${why}`, { cause });
  }
}

function serviceOf(definition: ServiceDefinition, options: StackOptions, wiring: Wiring): ServiceProcess {
  const { name, app, role } = definition;
  const env = serviceEnv(definition, options, wiring);
  const isClustered = app === 'gateway' && role !== 'money' && options.gateways > 1;
  return new ServiceProcess({
    name,
    app,
    env,
    isClustered,
    logFile: join(options.dataDir, 'logs', `${name}.log`),
    readyUrl: `${reachable(env['HOST'])}:${env['OPS_PORT'] ?? env['PORT']}/readyz`,
    readyCount: isClustered ? options.gateways : 1,
    say: options.say ?? (() => undefined),
  });
}

/** Where a server that listens on `host` is found from here. */
function reachable(host: string | undefined): string {
  if (host === undefined || host === '0.0.0.0' || host === '::') return 'http://127.0.0.1';
  return `http://${host.includes(':') ? `[${host}]` : host}`;
}

/** All are waited for, so that none comes up after the others were ended. */
async function startAll(services: readonly ServiceProcess[], signal: AbortSignal | undefined): Promise<void> {
  const results = await Promise.allSettled(services.map((service) => service.start(signal)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function stackOf(options: StackOptions, wiring: Wiring, parts: Parts): Stack {
  const door = reachable(options.env?.['HOST']);
  const gatewayUrl = `${door}:${options.port}`;
  return {
    gatewayUrl,
    moneyUrl: options.split ? `${door}:${wiring.ports[portNames.money]}` : gatewayUrl,
    opsUrl: `${door}:${options.opsPort}`,
    allocationUrl: urlOf(wiring, portNames.allocation),
    shareUrl: urlOf(wiring, portNames.share),
    opsToken: wiring.secrets.OPS_TOKEN,
    viewerToken: wiring.secrets.OPS_VIEWER_TOKEN,
    internalToken: wiring.secrets.INTERNAL_TOKEN,
    databaseUrl: wiring.databaseUrl,
    redisUrl: wiring.redisUrl,
    processes: parts.services,
    postgres: parts.postgres,
    redis: parts.redis,
    demoEventId: undefined,
    process: (name) => {
      const found = parts.services.find((service) => service.name === name);
      if (found === undefined) throw new Error(`The stack has no process ${name}`);
      return found;
    },
    stop: async () => await stopParts(parts),
  };
}

async function stopParts(parts: Parts): Promise<void> {
  const isDoor = (service: ServiceProcess) => service.name.startsWith('gateway');
  const faults = [
    ...(await stopAll(parts.services.filter(isDoor))),
    ...(await stopAll(parts.services.filter((service) => !isDoor(service)))),
    ...(await stopAll([parts.redis, parts.postgres].filter((server) => server !== undefined))),
  ];
  await parts.releaseDataDir?.();
  delete parts.releaseDataDir;
  process.off('exit', parts.kill);
  if (faults.length > 0) throw new AggregateError(faults, `Not everything could be ended: ${faults.join('; ')}`);
}

/** What could not be ended does not keep the rest from being ended. */
async function stopAll(running: readonly { stop(): Promise<void> }[]): Promise<unknown[]> {
  const results = await Promise.allSettled(running.map((one) => one.stop()));
  return results.filter((result) => result.status === 'rejected').map((result) => result.reason);
}

function killParts(parts: Parts): void {
  for (const service of parts.services) service.killNow();
  for (const server of [parts.redis, parts.postgres]) server?.killNow();
}
