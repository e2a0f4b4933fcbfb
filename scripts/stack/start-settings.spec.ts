import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '#libs/localservers';
import { serviceEnv, servicesOf } from './service-env.ts';
import { SettingsError, type StackOptions } from './stack-options.ts';
import { findStackFaults, stackOptionsOf } from './start-settings.ts';

async function freeOptions(): Promise<StackOptions> {
  return { ...stackOptionsOf({}), port: await freePort(), opsPort: await freePort() };
}

describe('stackOptionsOf', () => {
  it('has the defaults of the contract and takes empty settings for absent', () => {
    expect(stackOptionsOf({ PORT: '', REDIS_URL: '' })).toEqual({
      dataDir: '.data',
      port: 3000,
      opsPort: 3100,
      gateways: 1,
      split: false,
      demoEvent: true,
      databaseUrl: undefined,
      redisUrl: undefined,
      env: {},
    });
  });

  it('has a port for money when it is split, 3001 unless another is asked for', () => {
    expect(stackOptionsOf({ SPLIT: 'on' })).toMatchObject({ split: true, moneyPort: 3001 });
    expect(stackOptionsOf({ SPLIT: 'on', MONEY_PORT: '4001' }).moneyPort).toBe(4001);
  });

  it('names every bad setting at once and prints no value', () => {
    const bad = {
      PORT: 'abc',
      GATEWAYS: '0',
      SPLIT: 'yes',
      DATABASE_URL: 'mysql://root:hunter2@db',
      LOG_LEVEL: 'loud',
    };
    const read = () => stackOptionsOf(bad);
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(
      /5 bad setting\(s\):\n {2}PORT: .*\n {2}DATABASE_URL: .*\n {2}GATEWAYS: .*\n {2}SPLIT: .*\n {2}LOG_LEVEL: /,
    );
    expect(read).not.toThrow(/hunter2/);
  });

  it('hands the settings of npm, Node and the test runner to no service', () => {
    expect(
      stackOptionsOf({ npm_config_cache: 'x', NODE_OPTIONS: '--inspect', VITEST: 'true', LOG_LEVEL: 'warn' }).env,
    ).toEqual({
      LOG_LEVEL: 'warn',
    });
  });
});

describe('findStackFaults', () => {
  it('finds nothing wrong with the defaults on free ports', async () => {
    expect(await findStackFaults(await freeOptions())).toEqual([]);
    expect(await findStackFaults({ ...(await freeOptions()), split: true, gateways: 3 })).toEqual([]);
  });

  it('names a setting that any one service refuses, once', async () => {
    const env = { LOG_LEVEL: 'loud', OPEN_LANES: '0', OPS_TOKEN: 'short' };
    const faults = await findStackFaults({ ...(await freeOptions()), env });
    expect(faults.map((fault) => fault.split(':')[0]).sort()).toEqual(['LOG_LEVEL', 'OPEN_LANES', 'OPS_TOKEN']);
  });

  it('names each port that somebody else has', async () => {
    const options = await freeOptions();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(options.opsPort, '127.0.0.1', resolve));
    onTestFinished(async () => {
      await new Promise((resolve) => other.close(resolve));
    });
    expect(await findStackFaults(options)).toEqual([
      `OPS_PORT: 127.0.0.1:${options.opsPort} is in use or not to be had`,
    ]);
    expect(await findStackFaults({ ...options, opsPort: options.port })).toEqual(['OPS_PORT: is the same as PORT']);
    const split = { ...(await freeOptions()), split: true };
    expect(await findStackFaults({ ...split, moneyPort: split.opsPort })).toEqual([
      'OPS_PORT: is the same as MONEY_PORT',
    ]);
    expect(await findStackFaults({ ...split, moneyPort: options.opsPort })).toEqual([
      `MONEY_PORT: 127.0.0.1:${options.opsPort} is in use or not to be had`,
    ]);
  });
});

describe('serviceEnv', () => {
  const wiring = {
    ports: { allocation: 1, share: 2, money: 3 },
    secrets: {
      OPS_TOKEN: 'ops',
      OPS_VIEWER_TOKEN: 'view',
      INTERNAL_TOKEN: 'in',
      LUCK_SECRET: 'luc',
      SESSION_SECRET: 'ses',
      TICKET_KEYS: 'tic',
    },
    databaseUrl: 'db',
    redisUrl: 'redis',
  };
  const env = {
    DATABASE_URL: 'db',
    OPS_TOKEN: 'ops',
    TICKET_KEYS: 'tic',
    SESSION_SECRET: 'ses',
    HOST: '0.0.0.0',
    LOG_LEVEL: 'warn',
  };
  const envs = (split: boolean) => {
    const options = { ...stackOptionsOf({}), split, env };
    return Object.fromEntries(servicesOf(options).map((one) => [one.name, serviceEnv(one, options, wiring)]));
  };

  it('gives each service the credentials that it needs and no others', () => {
    const credentials = ['DATABASE_URL', 'OPS_TOKEN', 'OPS_VIEWER_TOKEN', 'SESSION_SECRET', 'TICKET_KEYS'];
    const held = Object.entries(envs(false)).map(([name, own]) => [name, credentials.filter((key) => key in own)]);
    expect(Object.fromEntries(held)).toEqual({
      allocation: ['DATABASE_URL'],
      share: ['DATABASE_URL', 'TICKET_KEYS'],
      ops: ['DATABASE_URL', 'OPS_TOKEN', 'OPS_VIEWER_TOKEN'],
      'gateway-0': ['SESSION_SECRET', 'TICKET_KEYS'],
    });
  });

  it('opens only the doors to the outside: HOST is for gateway and ops', () => {
    const hosts = Object.fromEntries(Object.entries(envs(false)).map(([name, own]) => [name, own['HOST']]));
    expect(hosts).toEqual({ allocation: '127.0.0.1', share: '127.0.0.1', ops: '0.0.0.0', 'gateway-0': '0.0.0.0' });
  });

  it('gives a split system a money gateway on a port of its own, and both ports to both', () => {
    const { 'gateway-0': shake, 'gateway-money': money } = envs(true);
    expect(shake).toMatchObject({ GATEWAY_ROLE: 'shake', PORT: '3000' });
    expect(money).toMatchObject({ GATEWAY_ROLE: 'money', PORT: '3' });
    for (const own of [shake, money]) expect(own).toMatchObject({ SHAKE_PORT: '3000', MONEY_PORT: '3' });
  });

  it('tells a system that is not split of no ports, whatever is set, and hands public addresses on to both kinds', () => {
    const settings = { SPLIT: 'off', MONEY_PORT: '3009', SHAKE_PORT: '3008', MONEY_ENDPOINT: 'https://money.example' };
    const options = stackOptionsOf({ ...settings, TICKET_KEYS: `1:${'k'.repeat(43)}` });
    const own = serviceEnv(servicesOf(options).at(-1)!, options, wiring);
    expect([own['MONEY_PORT'], own['SHAKE_PORT'], own['MONEY_ENDPOINT']]).toEqual([
      undefined,
      undefined,
      'https://money.example',
    ]);
  });
});
