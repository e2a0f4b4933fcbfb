/** The compose file has the shape that the services' own settings ask for; nothing is started here. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  allocationConfigSchema,
  gatewayConfigSchema,
  opsConfigSchema,
  publicRoutes,
  shareConfigSchema,
} from '#libs/contracts';

interface Service {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  volumes?: string[];
}

const root = join(import.meta.dirname, '..');
const composeText = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
const compose = parse(composeText, { merge: true }) as { services: Record<string, Service>; volumes: object };
const example = readFileSync(join(root, '.env.example'), 'utf8');
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');

/** A filled-in .env. */
const filled: Record<string, string> = {
  POSTGRES_PASSWORD: 'p'.repeat(24),
  INTERNAL_TOKEN: 'i'.repeat(24),
  LUCK_SECRET: 'l'.repeat(32),
  SESSION_SECRET: 's'.repeat(32),
  TICKET_KEYS: `1:${'k'.repeat(43)}`,
  OPS_TOKEN: 'o'.repeat(24),
  OPS_VIEWER_TOKEN: 'v'.repeat(24),
};
const placeholder = /\$\{(\w+)(?::([-?])([^}]*))?\}/g;

/** Variables as compose puts them in; one without a value and without a default stops it. */
function interpolate(text: string, values: Record<string, string>): string {
  return text.replace(placeholder, (_whole, name: string, kind: string | undefined, rest: string | undefined) => {
    const value = values[name] ?? (kind === '-' ? rest : undefined);
    if (value === undefined) throw new Error(`${name}: ${rest ?? 'has no value'}`);
    return value;
  });
}

function serviceOf(name: string): Service {
  const service = compose.services[name];
  if (!service) throw new Error(`docker-compose.yml has no service ${name}`);
  return service;
}

function environmentOf(name: string): Record<string, string> {
  const entries = Object.entries(serviceOf(name).environment ?? {});
  return Object.fromEntries(entries.map(([key, text]) => [key, interpolate(text, filled)]));
}

const doorText = readFileSync(join(root, 'deploy', 'door.nginx.conf'), 'utf8');

/** The service to which the door's rules send a path: regular expressions in their order, then the prefix. */
function doorTargetOf(path: string): string | undefined {
  const rules = [...doorText.matchAll(/location (~ )?(\S+) \{\s*proxy_pass http:\/\/(\w+);/g)];
  const byPattern = rules.find(([, kind, pattern]) => kind === '~ ' && new RegExp(pattern!).test(path));
  const rule = byPattern ?? rules.find(([, kind, prefix]) => kind === undefined && path.startsWith(prefix!));
  return new RegExp(`upstream ${rule?.[3]} \\{[^}]*server ([\\w-]+):`).exec(doorText)?.[1];
}

const schemas = {
  'gateway-shake': gatewayConfigSchema,
  'gateway-money': gatewayConfigSchema,
  allocation: allocationConfigSchema,
  share: shareConfigSchema,
  ops: opsConfigSchema,
} as const;
const services = Object.keys(schemas) as (keyof typeof schemas)[];
const stores = ['postgres', 'redis'];
const appOf = (name: string): string => name.split('-')[0]!;

describe('docker-compose.yml', () => {
  it('has every service, the stores, the migration and the door, and no other', () => {
    expect(Object.keys(compose.services).sort()).toEqual([...services, ...stores, 'migrate', 'door'].sort());
  });

  it.each(services)('%s gets every setting it needs, valid, and none it does not know', (name) => {
    const environment = environmentOf(name);
    const parsed = schemas[name].safeParse(environment);
    expect(parsed.error?.issues ?? []).toEqual([]);
    // the one that Node itself reads
    expect(Object.keys(environment).filter((key) => !(key in schemas[name].shape) && key !== 'NODE_OPTIONS')).toEqual(
      [],
    );
  });

  it('gateways, their door and nobody else lack the database', () => {
    const withDatabase = Object.keys(compose.services).filter((name) => 'DATABASE_URL' in environmentOf(name));
    expect(withDatabase.sort()).toEqual(['allocation', 'migrate', 'ops', 'share']);
  });

  it.each([...services, ...stores, 'door'])('%s has a healthcheck', (name) => {
    expect(serviceOf(name).healthcheck?.test[0]).toBe('CMD');
  });

  it.each(services)('%s is asked for its health on its metrics port, and runs a program that there is', (name) => {
    const { METRICS_PORT } = environmentOf(name);
    expect(serviceOf(name).healthcheck?.test.join(' ')).toContain(`:${METRICS_PORT}/readyz`);
    expect(serviceOf(name).command).toEqual(['node', `dist/apps/${appOf(name)}/src/main.js`]);
  });

  it('addresses inside name a service and the port it listens on', () => {
    for (const name of services) {
      for (const [key, text] of Object.entries(environmentOf(name))) {
        if (!/^(ALLOCATION|SHARE)_URL$/.test(key)) continue;
        const url = new URL(text);
        expect(`${key} ${url.port}`).toBe(`${key} ${environmentOf(url.hostname)['PORT']}`);
      }
    }
  });

  it('what needs the database waits for the migration, and the migration for PostgreSQL', () => {
    for (const name of ['allocation', 'share', 'ops']) {
      expect(serviceOf(name).depends_on?.['migrate']?.condition).toBe('service_completed_successfully');
    }
    expect(serviceOf('migrate').depends_on?.['postgres']?.condition).toBe('service_healthy');
  });

  it('Redis keeps what it was told and evicts nothing (invariant 6)', () => {
    const command = serviceOf('redis').command?.join(' ');
    for (const setting of ['--appendonly yes', '--appendfsync always', '--maxmemory-policy noeviction']) {
      expect(command).toContain(setting);
    }
    for (const name of stores) {
      expect(Object.keys(compose.volumes)).toContain(serviceOf(name).volumes?.[0]?.split(':')[0]);
    }
  });

  it('publishes the door, operations on this machine only, and nothing else', () => {
    const published = Object.entries(compose.services).flatMap(([name, { ports = [] }]) =>
      ports.map((port) => `${name} ${interpolate(port, {})}`),
    );
    expect(published.sort()).toEqual(['door 3000:3000', 'ops 127.0.0.1:3100:3100']);
  });

  it('runs a gateway of each role, which believes the door on who asks', () => {
    for (const role of ['shake', 'money']) {
      const { GATEWAY_ROLE, TRUSTED_PROXIES } = environmentOf(`gateway-${role}`);
      expect([GATEWAY_ROLE, TRUSTED_PROXIES]).toEqual([role, expect.stringContaining('172.16.0.0/12')]);
    }
  });

  it('the door sends each route of the contract to a gateway that serves it', () => {
    const served = { shake: 'gateway-shake', money: 'gateway-money' };
    // what comes with the crowd; all else is about money, or asked by few
    const withTheCrowd = ['/v1/sessions', '/v1/events', '/v1/events/:eventId', '/v1/events/:eventId/shake', '/play'];
    for (const { path } of publicRoutes) {
      const asked = path.replaceAll(/:\w+/g, 'x');
      const expected = withTheCrowd.includes(path) ? served.shake : served.money;
      expect(`${path} ${doorTargetOf(asked)}`).toBe(`${path} ${expected}`);
    }
    for (const path of ['/v1/events/x/shake/more', '/v1/sessions/x', '/play/x'])
      expect(`${path} ${doorTargetOf(path)}`).toBe(`${path} ${served.money}`);
    for (const name of ['gateway-shake', 'gateway-money'])
      expect(doorText).toMatch(new RegExp(`server ${name}:${environmentOf(name)['PORT']}[ ;]`));
    expect(serviceOf('door').volumes).toEqual(['./deploy/door.nginx.conf:/etc/nginx/nginx.conf:ro']);
  });

  it('.env.example names exactly the variables that compose asks for, and holds no secret', () => {
    const asked = new Set([...composeText.matchAll(placeholder)].map(([, name]) => name));
    const settings = [...example.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => ({ name, value }));
    expect(settings.map(({ name }) => name).sort()).toEqual([...asked].sort());
    const required = [...composeText.matchAll(placeholder)]
      .filter(([, , kind]) => kind === '?')
      .map(([, name]) => name);
    const preset = settings.filter(({ name, value }) => required.includes(name) && value !== '');
    expect(preset).toEqual([]);
  });
});

describe('the Dockerfile', () => {
  it('ends as an unprivileged user on a slim Node 20, with the migrations and the built services', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('FROM '));
    expect(last).toMatch(/^FROM node:20-bookworm-slim\n/);
    expect(last).toContain('USER node');
    expect(last).toContain('COPY prisma prisma');
    expect(last).toContain('COPY --from=build /app/dist dist');
  });
});
