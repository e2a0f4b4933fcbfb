// The operations REST: who may, what is passed on, what is written down, and that it serves exactly the routes of the contract.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import {
  auditLogSchema,
  deadLetterListSchema,
  eventPlanSchema,
  laneListSchema,
  type OpsEvent,
  opsRoutes,
  opsSampleSchema,
} from '#libs/contracts';
import { insertDeadLetters } from '#libs/database';
import type { LocalServer } from '#libs/localservers';
import { addOutstanding } from '#libs/queue';
import { closeRedis, createRedis, type RedisClient, whenRedisReady, writeFigures } from '#libs/redis';
import { createTestDatabase, type TestDatabase } from '../../../libs/database/src/testing.ts';
import { CuttableLine, startTestRedis } from '../../../libs/localservers/src/testing.ts';
import { AllocationStandIn, eventually, OpsService, operatorToken, silentLog, viewerToken } from './testing.ts';

let redisServer: LocalServer;
let redis: RedisClient;
let database: TestDatabase;
let line: CuttableLine;
let allocation: AllocationStandIn;
let ops: OpsService;

const environment = () => ({
  REDIS_URL: redisServer.url,
  DATABASE_URL: line.url,
  ALLOCATION_URL: allocation.url,
  OPEN_LANES: '2',
  GRAB_LANES: '1',
});

beforeAll(async () => {
  redisServer = await startTestRedis();
  redis = createRedis('cache', redisServer.url, { name: 'test', log: silentLog });
  await whenRedisReady(redis, 10_000);
  database = await createTestDatabase(inject('postgresUrl'));
  line = await CuttableLine.to(database.url);
});
beforeEach(async () => {
  allocation = await AllocationStandIn.start();
  ops = await OpsService.start(environment());
});
afterEach(async () => {
  line.mend();
  await ops.close();
  await allocation.close();
});
afterAll(async () => {
  await closeRedis(redis);
  line?.close();
  await database?.drop();
  await redisServer?.stop();
});

const codeOf = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code];
const audited = async (limit = 200) => auditLogSchema.parse((await ops.get(`/audit-log?limit=${limit}`)).body).entries;

const minute = 60_000;
const plan = () => ({
  title: 'Test',
  startsAt: new Date(Date.now() + minute).toISOString(),
  endsAt: new Date(Date.now() + 2 * minute).toISOString(),
  sponsors: [{ id: 'acme', name: 'Acme' }],
  waves: [
    {
      no: 0,
      startsAt: new Date(Date.now() + minute).toISOString(),
      durationMs: minute,
      pools: [{ sponsorId: 'acme', packetCount: 10, budgetFen: 1000, minFen: 1, maxFen: 500 }],
    },
  ],
});
const event = (id: string): Partial<OpsEvent> => ({ id, state: 'armed' });

describe('routes', () => {
  it('are exactly those of the contract', () => {
    const served = [...ops.routes].filter((route) => !route.startsWith('HEAD ') && !route.startsWith('OPTIONS '));
    // the document is added before the hook that collects: asked for below
    const known = opsRoutes.map(({ method, path }) => `${method} ${path}`);
    const documents = ['GET /openapi.json', 'GET /docs'];
    expect([...served, ...documents].sort()).toEqual([...known].sort());
  });

  it.each(opsRoutes.map(({ method, path, auth }) => [method, path, auth] as const))(
    '%s %s asks for the role that the contract says: %s',
    async (method, path, auth) => {
      const url = path.replaceAll(/:\w+/g, '1');
      const stranger = await ops.call(method, url, {}, '');
      expect(stranger.status === 401).toBe(auth !== 'none');
      if (auth === 'operator') expect(codeOf(await ops.call(method, url, {}, viewerToken))).toEqual([403, 'forbidden']);
    },
  );

  it('have their document and its page', async () => {
    const document = (await ops.call('GET', '/openapi.json', undefined, '')).body;
    expect(Object.keys(document.paths)).toHaveLength(new Set(opsRoutes.map(({ path }) => path)).size);
    expect((await ops.call('GET', '/docs', undefined, '')).body).toContain('/ops/v1/degradation/tier');
  });

  it('that do not exist, and other methods, are problems', async () => {
    expect(codeOf(await ops.get('/nothing'))).toEqual([404, 'not_found']);
  });
});

describe('who may', () => {
  const guess = async (n: number, on = ops, headers = {}) =>
    (await on.call('GET', '/ops/v1/events', undefined, `guess-${n}`, headers)).status;
  /** How many guesses were given a chance. */
  const guessUntilLimited = async (on = ops, headers = {}) => {
    let chances = 0;
    while ((await guess(chances, on, headers)) === 401) chances += 1;
    return chances;
  };

  it('guessing is slowed down: the address waits with every token that is new there, and the answer is the same for all', async () => {
    expect(await guessUntilLimited()).toBeGreaterThanOrEqual(10);
    for (const token of ['guess-more', operatorToken, viewerToken]) {
      const answer = await ops.get('/events', token);
      expect(codeOf(answer)).toEqual([429, 'too_many_requests']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await ops.get('/events', '')).status).toBe(401);
  });

  it('an operator who has been in pins a tier beside a guesser at his address', async () => {
    expect((await ops.get('/degradation')).status).toBe(200);
    await guessUntilLimited();
    const guesses = Promise.all(Array.from({ length: 100 }, (_, n) => guess(1000 + n)));
    const pin = { mode: 'pinned', tier: 0, reason: 'test' };
    expect((await ops.call('PUT', '/ops/v1/degradation/tier', pin)).status).toBe(200);
    expect(await guesses).toContain(429);
    expect((await ops.get('/degradation')).status).toBe(200);
  });

  it('a tab with a stale token keeps nobody out, and is not kept from the right one', async () => {
    for (let n = 0; n < 50; n++) expect((await ops.get('/events', 'token-of-last-week')).status).toBe(401);
    expect((await ops.get('/events')).status).toBe(200);
    expect((await ops.get('/events', 'token-of-last-week')).status).toBe(401);
  });

  it('behind a trusted proxy each client is counted by itself; what others say of their address is not believed', async () => {
    const from = (address: string) => ({ 'x-forwarded-for': `198.51.100.9, ${address}` });
    const behindProxy = await OpsService.start({ ...environment(), TRUSTED_PROXIES: '127.0.0.0/8,::1' });
    try {
      expect(await guessUntilLimited(behindProxy, from('203.0.113.1'))).toBeGreaterThanOrEqual(10);
      expect(await guess(0, behindProxy, from('203.0.113.2'))).toBe(401);
      const operator = await behindProxy.call('GET', '/ops/v1/events', undefined, operatorToken, from('203.0.113.3'));
      expect(operator.status).toBe(200);
    } finally {
      await behindProxy.close();
    }
    await guessUntilLimited(ops, from('203.0.113.1'));
    expect(await guess(1000, ops, from('203.0.113.2'))).toBe(429);
  });

  it.each(['everybody', '0.0.0.0/0', '10.0.0.0/8,::/0'])('%s cannot be trusted as a proxy', async (networks) => {
    await expect(OpsService.start({ ...environment(), TRUSTED_PROXIES: networks })).rejects.toThrow('TRUSTED_PROXIES');
  });

  it('health needs no token', async () => {
    expect((await ops.call('GET', '/livez', undefined, '')).status).toBe(200);
    await eventually(async () => (await ops.call('GET', '/readyz', undefined, '')).status).toBe(200);
  });
});

describe('acts on events', () => {
  it('creating passes the plan on, without the reason, and audits both before and after', async () => {
    allocation.answer = { status: 201, body: event('7') };
    const answer = await ops.call('POST', '/ops/v1/events', { ...plan(), reason: 'a night' });
    expect([answer.status, answer.body]).toEqual([201, event('7')]);
    const [command] = allocation.commands;
    expect(command).toMatchObject({ method: 'POST', path: '/internal/v1/events', isAuthorized: true });
    expect(eventPlanSchema.parse(command!.body)).toEqual(command!.body);
    const [after, before] = await audited();
    expect(before).toMatchObject({ action: 'event.create', target: 'event:new', reason: 'a night' });
    expect(before!.detail).toMatchObject({ phase: 'requested', title: 'Test' });
    expect(after).toMatchObject({ action: 'event.create', target: 'event:7', reason: 'a night' });
    expect(after!.detail).toEqual({ phase: 'concluded', requestId: before!.id, result: 'done' });
    expect(after!.actor).toMatch(/^operator:[0-9a-f]{8}$/);
  });

  it.each(['arm', 'close', 'settle'] as const)('%s is sent as a command and its answer passed on', async (act) => {
    allocation.answer = { status: 200, body: event('12') };
    const answer = await ops.call('POST', `/ops/v1/events/12/${act}`, { reason: 'it is time' });
    expect([answer.status, answer.body]).toEqual([200, event('12')]);
    expect(allocation.commands).toMatchObject([{ method: 'POST', path: `/internal/v1/events/12/${act}` }]);
    const entries = (await audited()).slice(0, 2);
    expect(entries.map(({ action, target }) => [action, target])).toEqual(Array(2).fill([`event.${act}`, 'event:12']));
  });

  it('a refusal comes through as it is, with what it carries, and is audited as refused', async () => {
    const possibleAt = '2026-02-16T13:00:00.000Z';
    allocation.refuse('too_early', 'shares run', { possibleAt });
    const answer = await ops.call('POST', '/ops/v1/events/12/settle', { reason: 'now' });
    expect(codeOf(answer)).toEqual([409, 'too_early']);
    expect(answer.body).toMatchObject({ possibleAt, detail: 'shares run' });
    expect((await audited())[0]!.detail).toMatchObject({ result: 'refused', code: 'too_early' });
    allocation.refuse('plan_invalid', undefined, { faults: ['a', 'b'] });
    const faulty = await ops.call('POST', '/ops/v1/events', plan());
    expect([...codeOf(faulty), faulty.body.faults]).toEqual([400, 'plan_invalid', ['a', 'b']]);
  });

  it('without an answer the act is refused and audited as unknown', async () => {
    await allocation.close();
    const answer = await ops.call('POST', '/ops/v1/events/12/arm', { reason: 'now' });
    expect(codeOf(answer)).toEqual([503, 'dependency_unavailable']);
    expect((await audited())[0]!.detail).toMatchObject({ result: 'unknown', code: 'dependency_unavailable' });
    allocation = await AllocationStandIn.start();
  });

  it.each([
    ['no body', undefined],
    ['no reason', {}],
    ['an empty reason', { reason: ' ' }],
    ['more than a reason', { reason: 'x', force: true }],
  ])('with %s nothing is sent and nothing is audited', async (_name, body) => {
    const before = (await audited(1))[0]?.id;
    expect(codeOf(await ops.call('POST', '/ops/v1/events/12/arm', body))).toEqual([400, 'bad_request']);
    expect(allocation.commands).toEqual([]);
    expect((await audited(1))[0]?.id).toBe(before);
  });

  it('what cannot be written down is not done', async () => {
    line.cut();
    const answer = await ops.call('POST', '/ops/v1/events/12/arm', { reason: 'now' });
    expect(codeOf(answer)).toEqual([503, 'dependency_unavailable']);
    expect(allocation.commands).toEqual([]);
  });

  it.each(['0', 'x', '99999999999', '1%2F..%2F2'])('event %s cannot exist', async (id) => {
    const answer = await ops.call('POST', `/ops/v1/events/${id}/arm`, { reason: 'now' });
    expect(codeOf(answer)).toEqual([404, 'event_unknown']);
    expect(allocation.commands).toEqual([]);
  });
});

describe('reads', () => {
  it('one event and its reconciliation come from allocation', async () => {
    allocation.answer = { status: 200, body: { balanced: true } };
    await ops.get('/events/12', viewerToken);
    expect((await ops.get('/events/12/reconciliation', viewerToken)).body).toEqual({ balanced: true });
    expect(allocation.commands.map(({ path }) => path)).toEqual([
      '/internal/v1/events/12',
      '/internal/v1/events/12/reconciliation',
    ]);
  });

  it('lanes show what is outstanding and for how long', async () => {
    await addOutstanding(redis, 'open-1', 'job', Date.now() - 5000);
    const { lanes } = laneListSchema.parse((await ops.get('/lanes', viewerToken)).body);
    expect(lanes.map(({ lane, outstanding }) => [lane, outstanding])).toEqual([
      ['open-0', 0],
      ['open-1', 1],
      ['grab-0', 0],
    ]);
    expect(lanes[1]!.oldestOutstandingMs).toBeGreaterThanOrEqual(5000);
  });

  it('dead letters come page by page, newest first, and their replay is passed on', async () => {
    const letter = {
      kind: 'open',
      lane: 'open-0',
      eventId: 1,
      userId: 'alice',
      epoch: 1,
      item: {},
      error: 'why',
    } as const;
    await insertDeadLetters(
      database.pool,
      [1n, 2n, 3n].map((packetId) => ({ ...letter, packetId })),
    );
    const first = deadLetterListSchema.parse((await ops.get('/dead-letters?limit=2')).body);
    const second = deadLetterListSchema.parse((await ops.get(`/dead-letters?limit=2&cursor=${first.nextCursor}`)).body);
    expect([...first.deadLetters, ...second.deadLetters].map(({ packetId }) => packetId)).toEqual(['3', '2', '1']);
    expect(second.nextCursor).toBeUndefined();
    const { id } = first.deadLetters[0]!;
    await ops.call('POST', `/ops/v1/dead-letters/${id}/replay`, { reason: 'repaired' });
    expect(allocation.commands).toMatchObject([{ method: 'POST', path: `/internal/v1/dead-letters/${id}/replay` }]);
    expect((await audited(1))[0]).toMatchObject({ action: 'dead_letter.replay', target: `dead_letter:${id}` });
    expect(codeOf(await ops.call('POST', '/ops/v1/dead-letters/x/replay', { reason: 'r' }))).toEqual([
      404,
      'dead_letter_unknown',
    ]);
  });

  it.each(['/dead-letters', '/audit-log', '/events'])('%s refuses a cursor that is none of ours', async (path) => {
    expect(codeOf(await ops.get(`${path}?cursor=nonsense`))).toEqual([400, 'bad_request']);
    expect(codeOf(await ops.get(`${path}?limit=1000`))).toEqual([400, 'bad_request']);
  });

  it('events come page by page, newest first', async () => {
    const columns =
      'title, starts_at, ends_at, shares_end_at, per_user_max, ticket_ttl_ms, stagger_ms, shake_interval_ms';
    const values = "now(), now() + interval '1 h', now() + interval '2 h', 3, 60000, 0, 1000, 10000, 2000, now()";
    for (const title of ['first', 'second', 'third'])
      await database.pool.query(
        `INSERT INTO events (${columns}, block_life_ms, grace_ms, created_at) VALUES ($1, ${values})`,
        [title],
      );
    const first = (await ops.get('/events?limit=2')).body;
    const second = (await ops.get(`/events?limit=2&cursor=${first.nextCursor}`)).body;
    const titles = [...first.events, ...second.events].map(({ title, state }) => [title, state]);
    expect(titles).toEqual(['third', 'second', 'first'].map((title) => [title, 'draft']));
    expect(second).not.toHaveProperty('nextCursor');
  });

  it('say that a dependency is away', async () => {
    line.cut();
    for (const path of ['/events', '/dead-letters', '/audit-log'])
      expect(codeOf(await ops.get(path))).toEqual([503, 'dependency_unavailable']);
  });

  it('the stream gives a sample of everything at once and then again and again', async () => {
    await writeFigures(redis, { id: 'gateway-0', sample: { shakes: 7 }, sampleTtlMs: 60_000 });
    const abort = new AbortController();
    const response = await fetch(`${ops.url}/ops/v1/stream`, {
      headers: { authorization: `Bearer ${viewerToken}` },
      signal: abort.signal,
    });
    const samples: unknown[] = [];
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      samples.splice(0, samples.length, ...[...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!)));
      if (samples.length >= 2) break;
    }
    abort.abort();
    for (const sample of samples)
      expect(opsSampleSchema.parse(sample)).toMatchObject({ tier: 0, gateways: [{ id: 'gateway-0', shakes: 7 }] });
  });
});
