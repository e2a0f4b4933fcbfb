import type { z } from 'zod';
import { allocationConfigSchema, gatewayConfigSchema, opsConfigSchema, shareConfigSchema } from '#libs/contracts';
import { makeSecrets, type Secrets, secretNames } from './secrets.ts';
import type { StackOptions } from './stack-options.ts';

/** What the services are told once everything below them is known. */
export type Wiring = {
  ports: Readonly<Record<string, number>>;
  secrets: Secrets;
  databaseUrl: string;
  redisUrl: string;
};

type App = 'allocation' | 'share' | 'ops' | 'gateway';

/** One process of the stack. */
export type ServiceDefinition = {
  /** Unique in the stack: `gateway-0`. */
  name: string;
  app: App;
  schema: z.ZodType;
  /** Which of several gateways behind one port; undefined: it has a port of its own. */
  role?: 'all' | 'shake' | 'money';
};

/** In the order in which they are started. */
export function servicesOf(options: Pick<StackOptions, 'gateways' | 'split'>): ServiceDefinition[] {
  const doors = Array.from({ length: options.gateways }, (_, no): ServiceDefinition => {
    return {
      name: `gateway-${no}`,
      app: 'gateway',
      schema: gatewayConfigSchema,
      role: options.split ? 'shake' : 'all',
    };
  });
  const money: ServiceDefinition = {
    name: 'gateway-money',
    app: 'gateway',
    schema: gatewayConfigSchema,
    role: 'money',
  };
  return [
    { name: 'allocation', app: 'allocation', schema: allocationConfigSchema },
    { name: 'share', app: 'share', schema: shareConfigSchema },
    { name: 'ops', app: 'ops', schema: opsConfigSchema },
    ...doors,
    ...(options.split ? [money] : []),
  ];
}

/** Names under `ports.json`. */
export const portNames = {
  postgres: 'postgres',
  redis: 'redis',
  allocation: 'allocation',
  share: 'share',
  money: 'money',
  metricsOf: (service: string) => `${service}-metrics`,
} as const;

/** Each service sees what it needs and no more: these are handed out by name below. */
const handedOut = [
  ...secretNames,
  'DATABASE_URL',
  'REDIS_URL',
  'PORT',
  'OPS_PORT',
  'SHAKE_PORT',
  'MONEY_PORT',
  'DATA_DIR',
  'GATEWAY_ROLE',
  // One name for several processes would be worse than none.
  'GATEWAY_ID',
  'SHARE_ID',
  'METRICS_PORT',
];
const loopback = '127.0.0.1';
/** Stands for what is known only later, so that the rest can be checked before anything is started. */
const draftWiring: Wiring = {
  ports: { [portNames.money]: 3001 },
  secrets: makeSecrets(),
  databaseUrl: 'postgresql://127.0.0.1/hongbao',
  redisUrl: 'redis://127.0.0.1',
};

/** The whole environment of one service; `draft` puts placeholders where the wiring is not known yet. */
export function serviceEnv(
  service: ServiceDefinition,
  options: StackOptions,
  wiring: Wiring | 'draft',
): Record<string, string> {
  const given = options.env ?? {};
  const known =
    wiring === 'draft' ? { ...draftWiring, secrets: { ...draftWiring.secrets, ...pick(given, secretNames) } } : wiring;
  const rest = Object.fromEntries(Object.entries(given).filter(([name]) => !handedOut.includes(name)));
  return { ...rest, ...own(service, options, known), METRICS_PORT: portOf(known, portNames.metricsOf(service.name)) };
}

function own(service: ServiceDefinition, options: StackOptions, wiring: Wiring): Record<string, string> {
  const { databaseUrl, redisUrl, secrets } = wiring;
  const common = { REDIS_URL: redisUrl, INTERNAL_TOKEN: secrets.INTERNAL_TOKEN };
  const inside = { ...common, HOST: loopback, DATABASE_URL: databaseUrl };
  switch (service.app) {
    case 'allocation':
      return { ...inside, PORT: portOf(wiring, portNames.allocation) };
    case 'share':
      return { ...inside, PORT: portOf(wiring, portNames.share), TICKET_KEYS: secrets.TICKET_KEYS };
    case 'ops':
      return {
        ...common,
        DATABASE_URL: databaseUrl,
        OPS_PORT: String(options.opsPort),
        OPS_TOKEN: secrets.OPS_TOKEN,
        OPS_VIEWER_TOKEN: secrets.OPS_VIEWER_TOKEN,
        ALLOCATION_URL: urlOf(wiring, portNames.allocation),
      };
    case 'gateway':
      return { ...common, ...gatewayOwn(service, options, wiring) };
  }
}

function gatewayOwn(service: ServiceDefinition, options: StackOptions, wiring: Wiring): Record<string, string> {
  const moneyPort = portOf(wiring, portNames.money);
  // whatever host a phone reaches the one by, it reaches the other by too
  const ports = { SHAKE_PORT: String(options.port), MONEY_PORT: moneyPort };
  return {
    PORT: service.role === 'money' ? moneyPort : String(options.port),
    GATEWAY_ROLE: service.role ?? 'all',
    TICKET_KEYS: wiring.secrets.TICKET_KEYS,
    LUCK_SECRET: wiring.secrets.LUCK_SECRET,
    SESSION_SECRET: wiring.secrets.SESSION_SECRET,
    GUEST_SESSIONS: options.env?.['GUEST_SESSIONS'] ?? 'on',
    ALLOCATION_URL: urlOf(wiring, portNames.allocation),
    SHARE_URL: urlOf(wiring, portNames.share),
    // Who puts a proxy in front names the public addresses himself: SHAKE_ENDPOINT, MONEY_ENDPOINT.
    ...(options.split ? ports : {}),
  };
}

function portOf(wiring: Wiring, name: string): string {
  return String(wiring.ports[name] ?? 0);
}

export function urlOf(wiring: Wiring, name: string): string {
  return `http://${loopback}:${portOf(wiring, name)}`;
}

function pick<Name extends string>(
  env: Readonly<Record<string, string>>,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  return Object.fromEntries(names.filter((name) => env[name]).map((name) => [name, env[name]])) as Partial<
    Record<Name, string>
  >;
}
