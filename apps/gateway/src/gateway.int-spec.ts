import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventListSchema, eventViewSchema, publicRoutes } from '#libs/contracts';
import { freePort } from '#libs/localservers';
import { listGatewaySamples, readIssued, writeDegradation } from '#libs/redis';
import { gatewayMetrics } from './process/gateway-metrics.ts';
import { GatewayRig, until } from './testing/gateway-rig.ts';
import { sendJson } from './testing/scripted-service.ts';
import { poolIdOf, signed, testBlock, testEvent } from './testing/test-event.ts';

/** Every route that a gateway serves: the router's, and the one in front of it. */
function routesOf(rig: GatewayRig): string[] {
  const tree = rig.app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false }) as string;
  const routes: string[] = [];
  const parents: string[] = [];
  for (const line of tree.split('\n')) {
    const match = /^((?:[│ ] {3})*)[├└]── (\S*)(?: \(([A-Z, ]+)\))?/.exec(line);
    if (!match) continue;
    const depth = match[1]!.length / 4;
    parents.length = depth;
    parents[depth] = match[2]!;
    for (const method of match[3]?.split(', ') ?? [])
      routes.push(`${method} ${parents.join('').replace(/(.)\/$/, '$1')}`);
  }
  return routes.filter((route) => !route.startsWith('HEAD ') && !route.startsWith('OPTIONS ')).sort();
}

/** Answered in front of the router. */
const shakeRoute = 'POST /v1/events/:eventId/shake';
const openRoute = 'POST /v1/packets/open';
const contractRoutes = publicRoutes.map(({ method, path }) => `${method} ${path}`).sort();

describe('a gateway', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    rig = await GatewayRig.start();
    await rig.publish(testEvent());
  });
  afterAll(() => rig.stop());

  it('serves exactly the routes of the contract', async () => {
    expect([...routesOf(rig), shakeRoute, openRoute].sort()).toEqual(contractRoutes);
    for (const path of ['/v1/events/1/shake', '/v1/packets/open'])
      expect((await rig.call('POST', path)).body.code).toBe('unauthenticated');
  });

  it('shows events as the contract says, with the start of the user who asks', async () => {
    await rig.publish(
      testEvent({ staggerMs: 5000 }),
      testEvent({ id: 2, state: 'settled', secret: 'revealed' }),
      testEvent({ id: 3, state: 'armed', startsAtMs: Date.now() + 3_600_000 }),
    );
    const alice = await rig.session('alice');
    const anonymous = await rig.call('GET', '/v1/events/1');
    expect(eventViewSchema.parse(anonymous.body)).toMatchObject({
      startOffsetMs: 0,
      tier: 0,
      state: 'live',
      endpoints: { shake: rig.url, money: rig.url },
    });
    expect([anonymous.headers.get('cache-control'), anonymous.headers.get('vary')]).toEqual([
      'max-age=1',
      'authorization',
    ]);
    const own = await rig.call('GET', '/v1/events/1', { token: alice });
    expect(own.body.startOffsetMs).toBeGreaterThan(0);
    expect((await rig.call('GET', '/v1/events/1', { token: 'forged' })).body.startOffsetMs).toBe(0);
    expect((await rig.call('GET', '/v1/events/2')).body.secret).toBe('revealed');
    const list = eventListSchema.parse((await rig.call('GET', '/v1/events')).body);
    expect(list.events.map(({ id }) => id)).toEqual(['1', '3']);
    expect((await rig.call('GET', '/v1/events/99')).body.code).toBe('event_unknown');
    const proxied = { headers: { 'x-forwarded-proto': 'https' } };
    expect((await rig.call('GET', '/v1/events/1', proxied)).body.endpoints.shake).toMatch(/^https:/);
  });

  it('makes guest sessions under a given or a new name', async () => {
    const made = await rig.call('POST', '/v1/sessions', { body: { userId: 'alice' } });
    expect([made.status, made.body.userId]).toEqual([201, 'alice']);
    expect(Date.parse(made.body.expiresAt)).toBeGreaterThan(Date.now());
    expect((await rig.call('POST', '/v1/sessions')).body.userId).toMatch(/^g-[0-9a-f]{24}$/);
    for (const userId of ['', 'with space', 'x'.repeat(65), 7])
      expect((await rig.call('POST', '/v1/sessions', { body: { userId } })).body.code).toBe('bad_request');
  });

  it('reads wallet and history from the ledger, from copies while reads are thinned, and while the ledger is away', async () => {
    const alice = await rig.session('alice');
    const wallet = { balanceFen: 5, asOf: new Date().toISOString() };
    const history = { packets: [], asOf: wallet.asOf, nextCursor: 'n' };
    rig.allocation.answer(({ path }, response) => sendJson(response, 200, path.includes('wallet') ? wallet : history));
    const ask = async () => [
      (await rig.call('GET', '/v1/me/wallet', { token: alice })).body,
      (await rig.call('GET', '/v1/me/packets?limit=5&cursor=c', { token: alice })).body,
    ];
    expect(await ask()).toEqual([wallet, history]);
    const [walletPath, historyPath] = rig.allocation.seen.slice(-2).map(({ path }) => path);
    expect(walletPath).toBe('/internal/v1/users/alice/wallet');
    expect(historyPath).toBe('/internal/v1/users/alice/packets?cursor=c&limit=5');
    rig.allocation.answer((_request, response) => sendJson(response, 200, { ...wallet, ...history, balanceFen: 6 }));
    expect((await ask())[0].balanceFen).toBe(6);
    const asked = rig.allocation.seen.length;
    const state = { version: 1, mode: 'pinned', tier: 2, autoTier: 0, features: {}, updatedAtMs: 0 } as const;
    await writeDegradation(rig.client, state);
    await until(
      'tier 2',
      () => rig.parts.degradation.tier(),
      (tier) => tier === 2,
    );
    expect((await ask())[0].balanceFen).toBe(6);
    expect(rig.allocation.seen.length).toBe(asked);
    await writeDegradation(rig.client, { ...state, version: 2, tier: 0 });
    await until(
      'tier 0',
      () => rig.parts.degradation.tier(),
      (tier) => tier === 0,
    );
    await rig.allocation.stop();
    expect((await ask())[0].balanceFen).toBe(6);
    const bob = await rig.session('bob');
    expect((await rig.call('GET', '/v1/me/wallet', { token: bob })).body.code).toBe('dependency_unavailable');
    await rig.allocation.start();
    for (const query of ['limit=0', 'limit=51', 'limit=x', `cursor=${'x'.repeat(300)}`])
      expect((await rig.call('GET', `/v1/me/packets?${query}`, { token: alice })).body.code).toBe('bad_request');
  });

  it('tells operations what it issued and how it is, each second', async () => {
    await rig.stock(testBlock(poolIdOf(1, 0)));
    await rig.publish(testEvent());
    await rig.shakeUntil(['hit'], 1, await rig.session('sampled'));
    await until(
      'the issued count',
      () => readIssued(rig.client),
      (issued) => issued.get(poolIdOf(1, 0)) === 1,
    );
    const samples = await until(
      'a sample',
      () => listGatewaySamples(rig.client),
      (list) => list.length === 1,
    );
    expect(samples[0]).toMatchObject({
      id: 'gateway-test',
      sample: { role: 'all', tier: 0, shakes: { hit: expect.any(Number) } },
    });
  });

  it('shows its counters and what is in hand to Prometheus', async () => {
    const text = await gatewayMetrics(rig.parts).metrics();
    const { hit } = rig.parts.shakeCounters.results;
    expect(text).toContain(`hongbao_shakes_total{result="hit",service="gateway"} ${hit}`);
    expect(text).toMatch(/hongbao_indexes_in_hand\{event="1",service="gateway"\} \d+/);
    expect(text).toContain('hongbao_opens_total{result="credited",service="gateway"} 0');
  });

  it('answers pages of other origins, and their preflights', async () => {
    const headers = { origin: 'https://host.example' };
    const asked = await rig.call('GET', '/v1/events', { headers });
    expect(asked.headers.get('access-control-allow-origin')).toBe('*');
    const preflight = await rig.call('OPTIONS', '/v1/events/1/shake', {
      headers: { ...headers, 'access-control-request-method': 'POST' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([
      204,
      'authorization, content-type, x-shake-state',
    ]);
    expect((await rig.call('GET', '/v1/events')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('answers what it does not know with problems of the contract', async () => {
    for (const [method, path, status, code] of [
      ['GET', '/nowhere', 404, 'not_found'],
      ['DELETE', '/v1/events', 404, 'not_found'],
      ['GET', '/v1/events/%zz', 400, 'bad_request'],
      ['GET', `/v1/shares/${'x'.repeat(250)}`, 400, 'share_invalid'],
    ] as const) {
      const answer = await rig.call(method, path);
      expect([answer.status, answer.body.code]).toEqual([status, code]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
  });
});

describe('the roles of a gateway', () => {
  it.each([
    ['shake', (path: string) => !/packets|shares|\/me\/|leaderboard|feed/.test(path)],
    ['money', (path: string) => !path.endsWith('/shake')],
  ] as const)('%s serves its own routes only', async (role, isOwn) => {
    const rig = await GatewayRig.start({ GATEWAY_ROLE: role, GUEST_SESSIONS: 'off' });
    const inFront = role === 'money' ? openRoute : shakeRoute;
    expect([...routesOf(rig), inFront].sort()).toEqual(contractRoutes.filter(isOwn));
    const codeOf = async (path: string) => (await rig.call('POST', path)).body.code;
    const codes = [await codeOf('/v1/events/1/shake'), await codeOf('/v1/packets/open')];
    expect(codes).toEqual(role === 'money' ? ['not_found', 'unauthenticated'] : ['unauthenticated', 'not_found']);
    expect((await rig.call('POST', '/v1/sessions')).body.code).toBe('feature_off');
    await rig.stop();
  });
});

// Proves that operators see the address of the session keys among the links, where there is one.
it('says of its links how they fare, that to the session keys too', async () => {
  const breakerOf = async (rig: GatewayRig, link: string) =>
    new RegExp(`^hongbao_link_breaker\\{link="${link}",service="gateway"\\} (\\d)$`, 'm').exec(
      await gatewayMetrics(rig.parts).metrics(),
    )?.[1];
  const keyless = await GatewayRig.start({});
  expect([await breakerOf(keyless, 'grabs'), await breakerOf(keyless, 'session_keys')]).toEqual(['0', undefined]);
  await keyless.stop();
  // nobody listens there
  const rig = await GatewayRig.start({ SESSION_JWKS_URL: `http://127.0.0.1:${await freePort()}/keys` });
  await until(
    'the breaker to open',
    () => breakerOf(rig, 'session_keys'),
    (state) => state === '2',
  );
  await rig.stop();
});

describe('the end of a gateway', () => {
  it('answers what is under way, then closes every connection, idle ones and streams too', async () => {
    const rig = await GatewayRig.start({ OPEN_REPLY_WAIT_MS: '1000' });
    await rig.publish(testEvent());
    rig.share.answer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': \n\n');
    });
    const token = await rig.session('alice');
    const idle = connect(Number(new URL(rig.url).port), '127.0.0.1');
    const idleClosed = new Promise((resolve) => idle.once('close', resolve));
    idle.resume();
    const feed = await fetch(`${rig.url}/v1/events/1/feed`);
    const feedEnded = feed.text().catch(() => 'cut');
    const opening = rig.call('POST', '/v1/packets/open', { token, body: { ticket: signed('ticket') } });
    await until(
      'the open',
      () => rig.parts.openCounters.inFlight,
      (inFlight) => inFlight === 1,
    );
    const closed = rig.app.close();
    const opened = await opening;
    expect([opened.status, opened.headers.get('connection')]).toEqual([202, 'close']);
    await Promise.all([closed, idleClosed, feedEnded]);
    await expect(rig.call('GET', '/livez')).rejects.toThrow();
    await rig.stop();
  });
});
