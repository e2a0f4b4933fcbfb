import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort, makePassableDir } from '#libs/localservers';
import { call, until } from './support/http.ts';
import { childrenOf, NpmStart, processesBelow, stillRunning } from './support/npm-start.ts';

let dataDir: string;
let settings: Record<string, string>;
let gateway: string;
const started: NpmStart[] = [];

beforeEach(async () => {
  const home = await mkdtemp(join(tmpdir(), 'hongbao-start-'));
  await makePassableDir(home);
  dataDir = join(home, 'data');
  const [port, opsPort] = [await freePort(), await freePort()];
  gateway = `http://127.0.0.1:${port}`;
  settings = { DATA_DIR: dataDir, PORT: String(port), OPS_PORT: String(opsPort), LOG_LEVEL: 'warn' };
});
afterEach(async () => {
  for (const one of started.splice(0)) {
    const below = processesBelow(one.pid);
    one.send('SIGTERM');
    await one.ended;
    await gone(below);
  }
  await rm(join(dataDir, '..'), { recursive: true, force: true });
});

function npmStart(more: Record<string, string> = {}): NpmStart {
  const start = new NpmStart({ ...settings, ...more });
  started.push(start);
  return start;
}

async function gone(pids: readonly number[]): Promise<void> {
  await until(
    'the end of every process',
    async () => stillRunning(pids),
    (running) => running.length === 0,
  );
}

// A fresh DATA_DIR becomes a running system with a live event; Ctrl-C leaves no process; the second start has the data of the first.
it('starts from nothing, ends on Ctrl-C without a trace, and keeps its data', async () => {
  const first = npmStart();
  await first.ready();
  expect(first.output).toMatch(
    new RegExp(`^ready ${gateway} {2}ops http://127\\.0\\.0\\.1:${settings['OPS_PORT']}$`, 'm'),
  );
  const play = await first.printed(/(http:\S+\/play\?event=\d+)/);
  const token = await first.printed(/^ops token (\S+)/m);
  const eventId = new URL(play).searchParams.get('event');
  const event = await call('GET', `${gateway}/v1/events/${eventId}`);
  expect(event.body).toMatchObject({ state: 'live', endpoints: { shake: gateway, money: gateway } });

  const below = processesBelow(first.pid);
  expect(below.length).toBeGreaterThanOrEqual(6);
  first.send('SIGINT');
  expect(await first.ended).toEqual({ code: 0, signal: null });
  await gone(below);

  const second = npmStart();
  await second.ready();
  expect(await second.printed(/^ops token (\S+)/m)).toBe(token);
  expect(await second.printed(/(http:\S+\/play\?event=\d+)/)).toBe(play);
  const kept = await call('GET', `${gateway}/v1/events/${eventId}`);
  expect(kept.body.secretCommitment).toBe(event.body.secretCommitment);
});

// The supervisor killed -9 takes everything with it, and the next start finds its data in order.
it('leaves no process behind when the supervisor is killed, and starts again on the same data', async () => {
  const first = npmStart({ GATEWAYS: '2' });
  await first.ready();
  const play = await first.printed(/(http:\S+\/play\?event=\d+)/);
  const below = processesBelow(first.pid);
  first.send('SIGKILL');
  await first.ended;
  await gone(below);
  const second = npmStart({ GATEWAYS: '2' });
  await second.ready();
  expect(await second.printed(/(http:\S+\/play\?event=\d+)/)).toBe(play);
});

// Every process that dies by itself is started again, whichever it is; the door stays open.
it('starts a killed gateway, allocation, share, ops, PostgreSQL and Redis again', async () => {
  const start = npmStart({ GATEWAYS: '2' });
  await start.ready();
  const names = ['allocation', 'share', 'ops', 'gateway-0', 'gateway-1', 'PostgreSQL', 'Redis'];
  const victims = childrenOf(start.pid);
  expect(victims).toHaveLength(names.length);
  for (const pid of victims) process.kill(pid, 'SIGKILL');
  for (const name of names) await start.printed(new RegExp(`^${name} ended \\(SIGKILL\\)`, 'm'));
  const asked = [gateway, `http://127.0.0.1:${settings['OPS_PORT']}`];
  for (const url of asked) {
    await until(
      `${url} to be ready`,
      async () => await call('GET', `${url}/readyz`).catch(() => undefined),
      (answer) => answer?.status === 200,
    );
  }
});

// A process that hangs holds up an orderly end; who presses Ctrl-C again is not kept waiting, and still nothing stays.
it('ends at once on the second Ctrl-C', async () => {
  const start = npmStart();
  await start.ready();
  const below = processesBelow(start.pid);
  for (const pid of childrenOf(start.pid)) process.kill(pid, 'SIGSTOP');
  let exit: unknown;
  void start.ended.then((result) => {
    exit = result;
  });
  const press = async () => {
    start.send('SIGINT');
    return exit;
  };
  expect(await until('the end of npm start', press, (result) => result !== undefined)).toMatchObject({ code: 130 });
  expect(start.output).toContain('stopping');
  await gone(below);
});

// Shakes and money apart: two gateways, each on its own port, and the event names both.
it('runs shake and money gateways apart with SPLIT=on', async () => {
  await npmStart({ SPLIT: 'on' }).ready();
  const { body } = await call('GET', `${gateway}/v1/events`);
  const { shake, money } = body.events[0].endpoints;
  expect(shake).toBe(gateway);
  expect(money).not.toBe(gateway);
  expect((await call('GET', `${money}/readyz`)).status).toBe(200);
});

// A wrong setting stops the start before anything is brought up, with one message that names every one of them.
it('names every bad setting and starts nothing', async () => {
  const start = npmStart({ PORT: 'abc', LOG_LEVEL: 'loud', GATEWAYS: '0', REDIS_URL: 'http://127.0.0.1' });
  expect(await start.ended).toEqual({ code: 1, signal: null });
  expect(start.errors).toMatch(/4 bad setting\(s\)/);
  for (const name of ['PORT', 'LOG_LEVEL', 'GATEWAYS', 'REDIS_URL']) expect(start.errors).toContain(`  ${name}: `);
  expect(existsSync(dataDir)).toBe(false);
});

// A port that somebody else has is named before anything is brought up.
it('names a port in use and starts nothing', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(Number(settings['PORT']), '127.0.0.1', resolve));
  const start = npmStart();
  expect(await start.ended).toEqual({ code: 1, signal: null });
  await new Promise((resolve) => other.close(resolve));
  expect(start.errors).toContain(`PORT: 127.0.0.1:${settings['PORT']} is in use`);
  expect(existsSync(dataDir)).toBe(false);
});

// A Redis or a database that is named but not there is a fault of the start, not a wait without end.
it('says when the Redis or the database it was told to use cannot be reached', async () => {
  const nowhere = await freePort();
  const noDatabase = npmStart({ DATABASE_URL: `postgresql://nobody@127.0.0.1:${nowhere}/none` });
  expect((await noDatabase.ended).code).toBe(1);
  expect(noDatabase.errors).toContain('DATABASE_URL');
  const noRedis = npmStart({ REDIS_URL: `redis://127.0.0.1:${nowhere}` });
  expect((await noRedis.ended).code).toBe(1);
  expect(noRedis.errors).toContain('REDIS_URL');
});

// Two starts on the same data would write over each other.
it('refuses a DATA_DIR that a running start uses', async () => {
  await npmStart().ready();
  const second = npmStart({ PORT: String(await freePort()), OPS_PORT: String(await freePort()) });
  expect((await second.ended).code).toBe(1);
  expect(second.errors).toContain(`DATA_DIR: ${dataDir} is in use by process`);
});
