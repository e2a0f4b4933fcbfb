import { expect, it, onTestFinished } from 'vitest';
import { HongbaoClient } from './client.ts';
import { answer, JumpingClock, problem, type ScriptedServer, type Step, startScriptedServer } from './testing.ts';

async function server(script: (path: string) => Step): Promise<ScriptedServer> {
  const started = await startScriptedServer((_index, { path }) => script(path));
  onTestFinished(() => started.close());
  return started;
}

const clientOf = (baseUrl: string): HongbaoClient =>
  new HongbaoClient({ baseUrl, token: 'session', clock: new JumpingClock() });
const over = answer({ result: 'over' });
const wallet = answer({ balanceFen: 5, asOf: '2026-02-16T20:00:00Z' });

// Proves that a client which knows one address only (restarted, with tickets to open) finds the other by the first refusal.
it('learns from a refusal where its request is served, asks there at once and from then on', async () => {
  const money = await server(() => wallet);
  const shake: ScriptedServer = await server((path) =>
    path.endsWith('/shake')
      ? over
      : problem('not_found', { endpoints: { shake: `${shake.url}/`, money: `${money.url}/` } }),
  );
  const client = clientOf(shake.url);
  expect(await client.wallet()).toMatchObject({ outcome: 'ok', value: { balanceFen: 5 } });
  expect(await client.wallet()).toMatchObject({ outcome: 'ok' });
  expect(await client.shakeOnce('7')).toEqual({ result: 'over' });
  expect(shake.calls()).toEqual(['GET /v1/me/wallet', 'POST /v1/events/7/shake']);
  expect(money.calls()).toEqual(['GET /v1/me/wallet', 'GET /v1/me/wallet']);
  expect(money.seen[0]?.headers.authorization).toBe('Bearer session');
});

it('shakes where it is told to when it shook at the wrong address', async () => {
  const shake = await server(() => over);
  const money: ScriptedServer = await server(() =>
    problem('not_found', { endpoints: { shake: shake.url, money: money.url } }),
  );
  expect(await clientOf(money.url).shakeOnce('7')).toEqual({ result: 'over' });
});

// Proves that addresses which do not help are followed once, not in circles.
it.each(['itself', 'another that refuses too', 'nothing'])(
  'takes a refusal that names %s for a refusal',
  async (named) => {
    const refuse = (): Step =>
      problem('not_found', named === 'nothing' ? {} : { endpoints: { shake: first.url, money: target.url } });
    const first: ScriptedServer = await server(refuse);
    const second: ScriptedServer = await server(refuse);
    const target = named === 'itself' ? first : second;
    await expect(clientOf(first.url).wallet()).rejects.toMatchObject({ code: 'not_found' });
    expect([first.seen.length, second.seen.length]).toEqual([1, named.startsWith('another') ? 1 : 0]);
  },
);

// Proves that a process which moved during the event is found again: opens do not ask a dead address until the app is restarted.
it('gives an address up from which nothing comes any more, and asks the one it was given', async () => {
  let money = await startScriptedServer([wallet]);
  const shake: ScriptedServer = await server((path) =>
    path.endsWith('/shake') ? over : problem('not_found', { endpoints: { shake: shake.url, money: money.url } }),
  );
  const client = clientOf(shake.url);
  expect(await client.wallet()).toMatchObject({ outcome: 'ok' });
  await money.close();
  money = await server(() => wallet);
  expect(await client.wallet()).toMatchObject({ outcome: 'ok', value: { balanceFen: 5 } });
  expect(await client.wallet()).toMatchObject({ outcome: 'ok' });
  expect(shake.calls()).toEqual(['GET /v1/me/wallet', 'GET /v1/me/wallet']);
  expect(money.seen).toHaveLength(2);
});

it('stays with an address that answers now and then', async () => {
  let calls = 0;
  // two of three are lost
  const money = await server(() => (calls++ % 3 === 2 ? wallet : 'drop'));
  const shake: ScriptedServer = await server(() =>
    problem('not_found', { endpoints: { shake: shake.url, money: money.url } }),
  );
  const client = clientOf(shake.url);
  for (let turn = 0; turn < 4; turn++) expect(await client.wallet()).toMatchObject({ outcome: 'ok' });
  expect(shake.seen).toHaveLength(1);
});
