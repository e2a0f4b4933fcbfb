import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { allocationConfigSchema, gatewayConfigSchema, opsConfigSchema, shareConfigSchema } from '#libs/contracts';
import { freePort, type LocalServer } from '#libs/localservers';
import { projectRoot } from '../stack/project-root.ts';
import type { Secrets } from '../stack/secrets.ts';
import { portNames, type ServiceDefinition, serviceEnv, type Wiring } from '../stack/service-env.ts';
import { ServiceProcess } from '../stack/service-process.ts';
import { Link } from './link.ts';
import { type LinkName, linkNames, type ServiceName, serviceNames } from './round-plan.ts';

/**
 * Short times, so that a block comes back within a round: an open is durable within half of the grace, and answered `pending` soon.
 * The rest is as in production.
 */
const settings = {
  LOG_LEVEL: 'info',
  GRACE_MS: '1200',
  // Where jobs may be lost, a phone opens again after four waits of 0.75 s at most.
  RECEIPT_GRACE_MS: '6000',
  OPEN_ACCEPT_MAX_MS: '600',
  GRAB_ACCEPT_MAX_MS: '600',
  OPEN_REPLY_WAIT_MS: '400',
  GRAB_REPLY_WAIT_MS: '400',
  STOCK_LEAD_MS: '500',
  SHUTDOWN_TIMEOUT_MS: '4000',
  GUEST_SESSIONS: 'on',
};
/** Grace of the events, in milliseconds. */
export const graceMs = Number(settings.GRACE_MS);

const schemas = {
  allocation: allocationConfigSchema,
  share: shareConfigSchema,
  ops: opsConfigSchema,
  gateway: gatewayConfigSchema,
};
type App = keyof typeof schemas;

export type ServicePorts = Readonly<Record<ServiceName, number>>;
export type Links = ReadonlyMap<LinkName, Link>;

export interface Ground {
  readonly dataDir: string;
  readonly secrets: Secrets;
  readonly postgres: LocalServer;
  readonly redis: LocalServer;
  readonly say: (line: string) => void;
}

export async function choosePortsOf(): Promise<ServicePorts> {
  const ports: [ServiceName, number][] = [];
  for (const name of serviceNames) ports.push([name, await freePort()]);
  return Object.fromEntries(ports) as Record<ServiceName, number>;
}

/** A link for each way on which two programs speak; `gateways>allocation` leads to either allocation process. */
export async function openLinks(ground: Pick<Ground, 'postgres' | 'redis'>, ports: ServicePorts): Promise<Links> {
  const portsAt: Record<string, readonly number[]> = {
    redis: [ground.redis.port],
    postgres: [ground.postgres.port],
    allocation: [ports['allocation-0'], ports['allocation-1']],
    share: [ports.share],
    'gateway-0': [ports['gateway-0']],
    'gateway-1': [ports['gateway-1']],
  };
  const links = new Map<LinkName, Link>();
  for (const name of linkNames) {
    const targets = portsAt[name.split('>')[1] ?? ''] ?? [];
    links.set(name, await Link.open(targets.map((port) => ({ host: '127.0.0.1', port }))));
  }
  return links;
}

/** The file that says how far the wall clock of a service is shifted. */
export function clockFileOf(dataDir: string, service: ServiceName): string {
  return join(dataDir, 'clocks', service);
}

/** All services, not started: the same programs and settings as in the stack of `npm start`, but each with ways of its own. */
export async function makeServices(
  ground: Ground,
  ports: ServicePorts,
  links: Links,
): Promise<Map<ServiceName, ServiceProcess>> {
  await mkdir(join(ground.dataDir, 'clocks'), { recursive: true });
  const services = new Map<ServiceName, ServiceProcess>();
  for (const name of serviceNames) {
    await writeFile(clockFileOf(ground.dataDir, name), '0');
    services.set(name, serviceOf(ground, ports, links, name));
  }
  return services;
}

function serviceOf(ground: Ground, ports: ServicePorts, links: Links, name: ServiceName): ServiceProcess {
  const app = name.replace(/-\d$/, '') as App;
  const definition: ServiceDefinition = {
    name,
    app,
    schema: schemas[app],
    ...(app === 'gateway' ? { role: 'all' } : {}),
  };
  const env = serviceEnv(
    definition,
    {
      dataDir: ground.dataDir,
      port: ports[name],
      opsPort: ports.ops,
      gateways: 1,
      split: false,
      demoEvent: false,
      env: { ...settings, NODE_OPTIONS: clockOption(ground.dataDir, name) },
    },
    wiringOf(ground, ports, links, name),
  );
  return new ServiceProcess({
    name,
    app,
    env,
    isClustered: false,
    logFile: join(ground.dataDir, 'logs', `${name}.log`),
    readyUrl: `http://127.0.0.1:${ports[name]}/readyz`,
    readyCount: 1,
    say: ground.say,
  });
}

/** Every service reaches the stores and the other services by its own links; it listens where its link leads. */
function wiringOf(ground: Ground, ports: ServicePorts, links: Links, name: ServiceName): Wiring {
  const app = name.replace(/-\d$/, '');
  const by = (link: LinkName) => links.get(link)!;
  const database = links.get(`${name}>postgres` as LinkName);
  return {
    secrets: ground.secrets,
    redisUrl: by(`${name}>redis` as LinkName).urlFor(ground.redis.url),
    databaseUrl: database?.urlFor(ground.postgres.url) ?? ground.postgres.url,
    ports: {
      [portNames.allocation]: app === 'allocation' ? ports[name] : by('gateways>allocation').port,
      [portNames.share]: app === 'share' ? ports[name] : by('gateways>share').port,
    },
  };
}

function clockOption(dataDir: string, name: ServiceName): string {
  const module = pathToFileURL(join(projectRoot, 'dist', 'scripts', 'chaos', 'shifted-clock.js'));
  module.searchParams.set('file', clockFileOf(dataDir, name));
  return `--import ${module.href}`;
}
