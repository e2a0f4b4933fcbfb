import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HongbaoOps } from '#libs/client';
import { keyRingSchema } from '#libs/contracts';
import { applyMigrations, createPool, type Pool } from '#libs/database';
import { createKeyRing, type KeyRing } from '#libs/domain';
import { type LocalServer, makePassableDir, startPostgres, startRedis } from '#libs/localservers';
import { closeRedis, createRedis, type RedisClient } from '#libs/redis';
import { projectRoot } from '../stack/project-root.ts';
import { loadSecrets } from '../stack/secrets.ts';
import type { ServiceProcess } from '../stack/service-process.ts';
import type { Link } from './link.ts';
import { signalAll, treeOf } from './process-tree.ts';
import {
  gatewayNames,
  type LinkName,
  type ServerName,
  type ServiceName,
  serverNames,
  serviceNames,
} from './round-plan.ts';
import {
  choosePortsOf,
  clockFileOf,
  type Ground,
  type Links,
  makeServices,
  openLinks,
  type ServicePorts,
} from './wiring.ts';

export type ProcessName = ServiceName | ServerName;

const startMaxMs = 120_000;
const startTriesMin = 3;
const startPauseMs = 200;
/** The controller is switched off: it would step back at the first fault, and hold back for many rounds. */
export const fullService = { mode: 'pinned', tier: 0, reason: 'chaos' } as const;
const silentLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

type Parts = {
  /** Ends all of it without a word, when this process ends. */
  kill: () => void;
  services?: Map<ServiceName, ServiceProcess>;
  postgres?: LocalServer;
  redis?: LocalServer;
  links?: Links;
  pool?: Pool;
  cache?: RedisClient;
};

/**
 * The whole of Hongbao as processes on this machine, with a link between any two of them: two gateways with doors of their own, two
 * allocation processes, share, ops, PostgreSQL and Redis. It is kept up over the rounds; whoever harms it repairs it.
 */
export class ChaosSystem {
  private readonly stopped = new Map<ProcessName, readonly number[]>();
  private readonly down = new Set<ProcessName>();

  private constructor(
    readonly dataDir: string,
    readonly ring: KeyRing,
    readonly ops: HongbaoOps,
    /** Processes that ended and nobody here had ended them: no fault of a round explains that. */
    readonly surprises: string[],
    private readonly ports: ServicePorts,
    private readonly parts: Required<Parts>,
  ) {
    for (const name of serverNames) this.watch(name);
  }

  static async start(): Promise<ChaosSystem> {
    const dataDir = await mkdtemp(join(tmpdir(), 'hongbao-chaos-'));
    if (process.getuid?.() === 0) await makePassableDir(dataDir);
    await mkdir(join(dataDir, 'logs'));
    const parts: Parts = { kill: () => killParts(parts) };
    process.once('exit', parts.kill);
    try {
      return await ChaosSystem.assemble(dataDir, parts);
    } catch (error) {
      killParts(parts);
      throw error;
    }
  }

  private static async assemble(dataDir: string, parts: Parts): Promise<ChaosSystem> {
    const secrets = await loadSecrets(dataDir, {});
    const surprises: string[] = [];
    const { postgres, redis } = await startStores(dataDir, parts);
    const ports = await choosePortsOf();
    parts.links = await openLinks({ postgres, redis }, ports);
    // A service speaks up when it starts again something that nobody had ended.
    const ground: Ground = { dataDir, secrets, postgres, redis, say: (line) => surprises.push(line) };
    parts.services = await makeServices(ground, ports, parts.links);
    const applicationName = 'chaos';
    parts.pool = createPool({
      connectionString: postgres.url,
      applicationName,
      max: 2,
      statementTimeoutMs: startMaxMs,
    });
    parts.cache = createRedis('cache', redis.url, { name: applicationName, log: silentLog });
    for (const isDoor of [false, true]) {
      const due = [...parts.services].filter(([name]) => name.startsWith('gateway') === isDoor);
      await Promise.all(due.map(([name, service]) => insistOnStart(name, () => service.start())));
    }
    const ring = createKeyRing(keyRingSchema.parse(secrets.TICKET_KEYS));
    const ops = new HongbaoOps({ baseUrl: `http://127.0.0.1:${ports.ops}`, token: secrets.OPS_TOKEN });
    await ops.setTier(fullService);
    return new ChaosSystem(dataDir, ring, ops, surprises, ports, parts as Required<Parts>);
  }

  /** The doors, each behind its link. */
  get gatewayUrls(): readonly string[] {
    return gatewayNames.map((name) => `http://127.0.0.1:${this.link(`clients>${name}`).port}`);
  }

  /** Straight to the stores, by no link. */
  get pool(): Pool {
    return this.parts.pool;
  }
  get cache(): RedisClient {
    return this.parts.cache;
  }
  get redisUrl(): string {
    return this.parts.redis.url;
  }

  link(name: LinkName): Link {
    return this.parts.links.get(name)!;
  }

  portOf(service: ServiceName): number {
    return this.ports[service];
  }

  clockFile(service: ServiceName): string {
    return clockFileOf(this.dataDir, service);
  }

  /** SIGKILL; it stays down until `revive`. */
  async kill(name: ProcessName): Promise<void> {
    this.down.add(name);
    this.stopped.delete(name);
    if (name === 'redis' || name === 'postgres') return await this.parts[name].kill();
    const service = this.parts.services.get(name)!;
    service.killNow();
    await service.kill();
  }

  /** In order; it stays down until `revive`. */
  async end(name: ProcessName): Promise<void> {
    this.down.add(name);
    if (name === 'redis' || name === 'postgres') return await this.parts[name].stop();
    await this.parts.services.get(name)!.stop();
  }

  /** Starts what is down, on its old port and data. */
  async revive(name: ProcessName): Promise<void> {
    if (!this.down.has(name)) return;
    await insistOnStart(name, async () => {
      if (!this.down.has(name)) return;
      await this.startOnce(name);
      this.down.delete(name);
    });
  }

  pause(name: ProcessName): void {
    if (this.down.has(name)) return;
    const pids = treeOf(this.pidOf(name));
    signalAll(pids, 'SIGSTOP');
    this.stopped.set(name, pids);
  }

  resume(name: ProcessName): void {
    signalAll(this.stopped.get(name) ?? [], 'SIGCONT');
    this.stopped.delete(name);
  }

  /** Redis is killed, and starts again on another content of its directory. */
  async replaceRedis(downMs: number, replaceData: (dir: string) => Promise<void>): Promise<void> {
    await this.kill('redis');
    await replaceData(this.redisDir);
    await delay(downMs);
    await this.revive('redis');
  }

  get redisDir(): string {
    return join(this.dataDir, 'redis');
  }

  /** Everything runs, every link is whole; resolves when all services say that they are ready. */
  async heal(): Promise<void> {
    for (const name of [...this.stopped.keys()]) this.resume(name);
    for (const link of this.parts.links.values()) link.mend();
    await Promise.all(serverNames.map((name) => this.revive(name)));
    await Promise.all(serviceNames.map((name) => this.revive(name)));
    await Promise.all([...this.parts.services.values()].map((service) => service.ready()));
  }

  /** Ends everything. @param keepData leaves logs and ledger on disk for somebody to look at. */
  async stop(keepData: boolean): Promise<void> {
    for (const name of [...this.stopped.keys()]) this.resume(name);
    const { services, links, pool, cache, redis, postgres } = this.parts;
    await Promise.allSettled([...services.values()].map((service) => service.stop()));
    for (const link of links.values()) link.close();
    await Promise.allSettled([pool.end(), closeRedis(cache)]);
    await Promise.allSettled([redis.stop(), postgres.stop()]);
    process.off('exit', this.parts.kill);
    if (!keepData) await rm(this.dataDir, { recursive: true, force: true });
  }

  private async startOnce(name: ProcessName): Promise<void> {
    if (name === 'redis' || name === 'postgres') return await this.parts[name].restart();
    await this.parts.services.get(name)!.start();
  }

  private pidOf(name: ProcessName): number {
    return name === 'redis' || name === 'postgres' ? this.parts[name].pid : this.parts.services.get(name)!.pid;
  }

  private watch(name: ServerName): void {
    this.parts[name].onExit(({ code, signal, expected }) => {
      if (expected) return;
      this.down.add(name);
      this.surprises.push(`${name} ended by itself (${signal ?? `exit code ${code}`})`);
      this.revive(name).catch((error: unknown) => this.surprises.push(String(error)));
    });
  }
}

async function startStores(dataDir: string, parts: Parts): Promise<{ postgres: LocalServer; redis: LocalServer }> {
  const keep = (name: ServerName) => (server: LocalServer) => {
    parts[name] = server;
    return server;
  };
  // Nothing rewrites the append-only file by itself: a copy of it is whole at any instant.
  const settings = { 'auto-aof-rewrite-percentage': '0' };
  const [postgres, redis] = await Promise.all([
    startPostgres({ dataDir: join(dataDir, 'postgres') }).then(keep('postgres')),
    startRedis({ dir: join(dataDir, 'redis'), settings }).then(keep('redis')),
  ]);
  await applyMigrations(postgres.url, join(projectRoot, 'prisma', 'migrations'));
  return { postgres, redis };
}

/** Again and again until it is ready: a service refuses to start while the database is away or slow, and so would its supervisor try again. */
async function insistOnStart(name: ProcessName, start: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + startMaxMs;
  for (let tries = 1; ; tries++) {
    try {
      return await start();
    } catch (error) {
      if (performance.now() > deadline && tries >= startTriesMin)
        throw new Error(`${name} does not come up`, { cause: error });
      await delay(startPauseMs);
    }
  }
}

function killParts({ services, redis, postgres, links }: Parts): void {
  for (const service of services?.values() ?? []) service.killNow();
  for (const server of [redis, postgres]) server?.killNow();
  for (const link of links?.values() ?? []) link.close();
}
