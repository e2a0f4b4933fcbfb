import { afterEach, describe, expect, it } from 'vitest';
import type { EventView } from '#libs/contracts';
import { HongbaoClient, type HongbaoClientOptions } from './client.ts';
import { answer, JumpingClock, problem, type ScriptedServer, type Step, startScriptedServer } from './testing.ts';

const startMs = Date.parse('2026-02-16T20:00:00Z');
const iso = (ms: number): string => new Date(ms).toISOString();
const miss = answer({ result: 'miss', nextShakeMs: 700 });
const over = answer({ result: 'over' });
const hit = (n: number, expiresAtMs: number): Step =>
  answer({
    result: 'hit',
    ticket: `ticket-${n}`,
    packetId: String(n),
    sponsor: { id: 's', name: 'S' },
    expiresAt: iso(expiresAtMs),
    state: `state-${n}`,
    nextShakeMs: 900,
  });
const credited = (n: number): Step =>
  answer({
    status: 'credited',
    packetId: String(n),
    eventId: '7',
    sponsor: { id: 's', name: 'S' },
    amountFen: 100,
    share: { portions: 0 },
    state: `opened-${n}`,
  });

let server: ScriptedServer;
let clock: JumpingClock;

function eventAnswer(base: string, changes: Partial<EventView>): Step {
  return answer({
    id: '7',
    startsAt: iso(startMs),
    serverTime: iso(clock.nowMs()),
    startOffsetMs: 0,
    endpoints: { shake: base, money: base },
    ...changes,
  });
}

async function play(
  script: readonly Step[],
  changes: Partial<EventView> = {},
  options: Partial<HongbaoClientOptions> = {},
): Promise<HongbaoClient> {
  let shakes = 0;
  clock = new JumpingClock(startMs);
  server = await startScriptedServer((_index, request) => {
    if (request.method === 'GET') return eventAnswer(`http://${request.headers.host}`, changes);
    const step = script[Math.min(shakes, script.length - 1)] as Step;
    shakes += 1;
    return step;
  });
  return new HongbaoClient({ baseUrl: server.url, token: 'session', clock, random: () => 0.5, ...options });
}

const ignore = (): void => undefined;

afterEach(() => server.close());

describe('the shake loop', () => {
  it("keeps the server's pace: after each answer it waits what the answer says", async () => {
    const rest = answer({ result: 'rest', nextShakeMs: 5000, message: 'take a break' });
    const wait = answer({ result: 'not_started', startsInMs: 1234 });
    const client = await play([wait, miss, rest, over]);
    expect(await client.shakeLoop('7', { onHit: ignore })).toEqual({ end: 'over', shakes: 4, hits: 0 });
    expect(clock.sleeps).toEqual([1234, 700, 5000]);
  });

  it('comes neither sooner nor later than it is told, from when the answer was here, hit or miss, answer after answer', async () => {
    const waits = [10, 8690, 1, 0, 3333];
    const script = waits.map((nextShakeMs) => answer({ result: 'miss', nextShakeMs }));
    const client = await play([...script, hit(1, startMs + 60_000), over]);
    const answeredAtMs: number[] = [];
    await client.shakeLoop('7', { onHit: ignore, onAnswer: () => answeredAtMs.push(clock.nowMs()) });
    const waited = answeredAtMs.slice(1).map((atMs, i) => atMs - (answeredAtMs[i] as number));
    expect(waited).toEqual([...waits, 900]);
  });

  it("sends nothing before the user's own start, by the server's clock", async () => {
    const changes = { startsAt: iso(startMs + 90_000), startOffsetMs: 2500, serverTime: iso(startMs + 1000) };
    const client = await play([over], changes);
    await client.shakeLoop('7', { onHit: ignore });
    expect(clock.sleeps).toEqual([60_000, 31_500]);
    expect(server.calls()).toEqual(['GET /v1/events/7', 'POST /v1/events/7/shake']);
  });

  it('hands over each hit, keeps its ticket, and sends the newest state with the next shake', async () => {
    const client = await play([hit(1, startMs + 60_000), miss, hit(2, startMs + 60_000), over]);
    const tickets: string[] = [];
    await client.shakeLoop('7', { onHit: ({ ticket }) => tickets.push(ticket) });
    expect(tickets).toEqual(['ticket-1', 'ticket-2']);
    expect(client.unsettled().map(({ ticket, stage }) => `${ticket} ${stage}`)).toEqual([
      'ticket-1 won',
      'ticket-2 won',
    ]);
    const sent = server.seen.slice(1).map(({ headers }) => headers['x-shake-state']);
    expect(sent).toEqual([undefined, 'state-1', 'state-1', 'state-2']);
  });

  it('an open takes the state along, and the state of its answer takes its place', async () => {
    const client = await play([hit(1, startMs + 60_000), credited(1), over]);
    await client.shakeOnce('7');
    await client.open('ticket-1');
    await client.shakeOnce('7');
    expect(server.seen.map(({ headers }) => headers['x-shake-state'])).toEqual([undefined, 'state-1', 'opened-1']);
  });

  it('the state of a ticket that this client did not win is added', async () => {
    const client = await play([hit(1, startMs + 60_000), credited(2), over]);
    await client.shakeOnce('7');
    await client.open('ticket-2');
    await client.shakeOnce('7');
    expect(server.seen.at(-1)?.headers['x-shake-state']).toBe('state-1,opened-2');
  });

  it('at the limit waits for the first unopened ticket to lapse', async () => {
    const limit = answer({ result: 'limit' });
    const client = await play([hit(1, startMs + 60_000), limit, miss, limit]);
    const end = await client.shakeLoop('7', { onHit: ignore });
    expect(end).toEqual({ end: 'limit', shakes: 4, hits: 1 });
    expect(clock.sleeps[0]).toBe(900);
    expect(clock.nowMs()).toBeGreaterThan(startMs + 60_000);
  });

  it('at the limit with every win credited it ends', async () => {
    const client = await play([hit(1, startMs + 60_000), credited(1), answer({ result: 'limit' })]);
    await client.shakeOnce('7');
    await client.open('ticket-1');
    expect((await client.shakeLoop('7', { onHit: ignore })).end).toBe('limit');
  });

  it('backs off from lost and refused shakes, and from an event a new gateway does not know yet', async () => {
    const client = await play([miss, 'drop', problem('overloaded'), problem('event_unknown'), over]);
    expect((await client.shakeLoop('7', { onHit: ignore })).shakes).toBe(2);
    expect(clock.sleeps).toEqual([700, 250, 1000 + 500, 1000]);
  });

  it('gives up with the last failure once nothing was answered for too long', async () => {
    const client = await play(['drop'], {}, { limits: { shakeSilenceMaxMs: 30_000 } });
    await expect(client.shakeLoop('7', { onHit: ignore })).rejects.toMatchObject({ name: 'HongbaoLostError' });
  });

  it.each(['event_unknown', 'unauthenticated'] as const)('an unexpected %s is an error', async (code) => {
    const client = await play([problem(code)]);
    await expect(client.shakeLoop('7', { onHit: ignore })).rejects.toMatchObject({ code });
  });

  it('an answer of an unknown kind is an error, never a win', async () => {
    const client = await play([answer({ result: 'jackpot' })]);
    await expect(client.shakeOnce('7')).rejects.toMatchObject({ name: 'HongbaoAnswerError' });
  });

  it('ends when its signal does', async () => {
    const client = await play([miss]);
    const controller = new AbortController();
    let shakes = 0;
    const onAnswer = (): void => {
      shakes += 1;
      if (shakes === 5) controller.abort();
    };
    const end = await client.shakeLoop('7', { onHit: ignore, onAnswer, signal: controller.signal });
    expect(end).toEqual({ end: 'aborted', shakes: 5, hits: 0 });
  });

  it('ends in the same way when it is aborted before its first shake', async () => {
    const client = await play([miss]);
    const signal = AbortSignal.abort();
    expect(await client.shakeLoop('7', { signal, onHit: ignore })).toEqual({ end: 'aborted', shakes: 0, hits: 0 });
  });

  it('goes on before its first shake for as long as it shakes: session and event are asked for until they are there', async () => {
    const failures = 12;
    const asked = new Map<string, number>();
    clock = new JumpingClock(startMs);
    server = await startScriptedServer((_index, { method, path, headers }) => {
      const times = (asked.get(path) ?? 0) + 1;
      asked.set(path, times);
      if (method === 'GET') return times > failures ? eventAnswer(`http://${headers.host}`, {}) : 'drop';
      if (path !== '/v1/sessions') return over;
      return times > failures ? answer({ token: 'one', userId: 'ann', expiresAt: iso(startMs) }, 201) : 'drop';
    });
    const client = new HongbaoClient({ baseUrl: server.url, clock, random: () => 0.5 });
    expect(await client.shakeLoop('7', { onHit: ignore })).toEqual({ end: 'over', shakes: 1, hits: 0 });
    expect([...asked.values()]).toEqual([failures + 1, failures + 1, 1]);
    expect(server.seen.at(-1)?.headers.authorization).toBe('Bearer one');
    // as rationed as any repetition: 10 at first, then one in 5 s
    expect(clock.nowMs() - startMs).toBeGreaterThan((2 * failures - 10 - 1) * 5000);
  });

  it.each([{}, { token: 'session' }])(
    'gives up on a port that refuses once nothing was answered for too long',
    async (own) => {
      const gone = await startScriptedServer([]);
      server = await startScriptedServer([]);
      await gone.close();
      clock = new JumpingClock(startMs);
      const client = new HongbaoClient({ baseUrl: gone.url, clock, limits: { shakeSilenceMaxMs: 120_000 }, ...own });
      await expect(client.shakeLoop('7', { onHit: ignore })).rejects.toMatchObject({ name: 'HongbaoLostError' });
      expect(clock.nowMs() - startMs).toBeGreaterThan(100_000);
      await expect(client.event('7')).rejects.toMatchObject({ name: 'HongbaoLostError' });
    },
  );

  it('ends without a session when its signal does', async () => {
    server = await startScriptedServer(['hang']);
    const client = new HongbaoClient({ baseUrl: server.url });
    const controller = new AbortController();
    const loop = client.shakeLoop('7', { signal: controller.signal, onHit: ignore });
    controller.abort();
    expect(await loop).toEqual({ end: 'aborted', shakes: 0, hits: 0 });
  });

  it('follows the addresses that the event names: shakes to one, money to the other', async () => {
    const client = await play([over]);
    const money = await startScriptedServer([answer({ balanceFen: 5, asOf: iso(startMs) })]);
    const shake = await startScriptedServer([miss, over]);
    await server.close();
    server = await startScriptedServer([eventAnswer('', { endpoints: { shake: `${shake.url}/`, money: money.url } })]);
    const split = new HongbaoClient({ baseUrl: server.url, token: 'session', clock });
    await split.shakeLoop('7', { onHit: ignore });
    expect(await split.wallet()).toMatchObject({ outcome: 'ok', value: { balanceFen: 5 } });
    expect(server.calls()).toEqual(['GET /v1/events/7']);
    expect(shake.seen).toHaveLength(2);
    expect(money.calls()).toEqual(['GET /v1/me/wallet']);
    expect(client.unsettled()).toEqual([]);
    await Promise.all([money.close(), shake.close()]);
  });
});
