import { afterEach, describe, expect, it } from 'vitest';
import { HongbaoClient, type HongbaoClientOptions } from './client.ts';
import { HongbaoProblemError } from './errors.ts';
import { answer, JumpingClock, problem, type ScriptedServer, type Step, startScriptedServer } from './testing.ts';

const credited = {
  status: 'credited',
  packetId: '9007199254740993123',
  eventId: '7',
  sponsor: { id: 's1', name: 'One' },
  amountFen: 188,
  share: { portions: 3 },
  state: 'opened-state',
};
const pending = { status: 'pending', packetId: credited.packetId, receipt: 'receipt-1', pollAfterMs: 400 };
const poll = `GET /v1/packets/${credited.packetId}?receipt=receipt-1`;
const open = 'POST /v1/packets/open';

let server: ScriptedServer;
let clock: JumpingClock;

async function play(script: readonly Step[], options: Partial<HongbaoClientOptions> = {}): Promise<HongbaoClient> {
  server = await startScriptedServer(script);
  clock = new JumpingClock();
  return new HongbaoClient({ baseUrl: server.url, token: 'session', clock, random: () => 0.5, ...options });
}

afterEach(() => server.close());

describe('opening a ticket', () => {
  it('credits at once and leaves nothing unsettled', async () => {
    const client = await play([answer(credited)]);
    expect(await client.open('ticket')).toEqual({ outcome: 'credited', packet: credited });
    expect(server.seen[0]?.headers.authorization).toBe('Bearer session');
    expect(server.seen[0]?.body).toEqual({ ticket: 'ticket' });
    expect(client.unsettled()).toEqual([]);
  });

  it('asks again when the answer is lost, until it has the outcome', async () => {
    const client = await play(['drop', 'drop', answer(credited)]);
    expect((await client.open('ticket')).outcome).toBe('credited');
    expect(server.calls()).toEqual([open, open, open]);
    expect(clock.sleeps).toEqual([250, 500]);
  });

  it('asks again when no answer comes in time', async () => {
    const client = await play(['hang', answer(credited)], { limits: { requestTimeoutMs: 50 } });
    expect((await client.open('ticket')).outcome).toBe('credited');
  });

  it('waits at least as long as a 503 says, by the document or the header', async () => {
    const shed = problem('overloaded', { retryAfterMs: 3000 });
    const away: Step = { status: 503, body: '<html>', headers: { 'retry-after': '2' } };
    const client = await play([shed, away, answer(credited)]);
    expect((await client.open('ticket')).outcome).toBe('credited');
    expect(clock.sleeps).toEqual([3000 + 250, 2000 + 500]);
  });

  it('a truncated or garbled success is asked for again, never believed', async () => {
    const client = await play([{ status: 200, body: '{"status":"cred' }, answer(credited)]);
    expect((await client.open('ticket')).outcome).toBe('credited');
  });

  it('polls a pending open with its receipt and opens it again every few polls', async () => {
    const steps = [pending, pending, pending, pending, pending, pending, credited].map((body) =>
      answer(body, body.status === 'pending' ? 202 : 200),
    );
    const client = await play(steps);
    expect((await client.open('ticket')).outcome).toBe('credited');
    expect(server.calls()).toEqual([open, poll, poll, poll, poll, open, poll]);
    expect(server.seen[5]?.body).toEqual({ ticket: 'ticket', receipt: 'receipt-1' });
    expect(clock.sleeps[0]).toBe(400);
  });

  it('opens again at once when the packet is unknown to the status', async () => {
    const client = await play([answer(pending, 202), problem('packet_unknown'), answer(credited)]);
    expect((await client.open('ticket')).outcome).toBe('credited');
    expect(server.calls()).toEqual([open, poll, open]);
  });

  it.each([
    ['limit_reached', 'limit'],
    ['sponsor_limit_reached', 'sponsor_limit'],
    ['ticket_expired', 'expired'],
    ['packet_gone', 'gone'],
  ] as const)('%s is an outcome, also while polling', async (code, outcome) => {
    const client = await play([answer(pending, 202), problem(code)]);
    expect(await client.open('ticket')).toMatchObject({ outcome, problem: { code } });
    expect(client.unsettled()).toEqual([]);
  });

  it.each(['ticket_invalid', 'ticket_not_yours'] as const)('%s is an error and is not tried again', async (code) => {
    const client = await play([problem(code)]);
    await expect(client.open('ticket')).rejects.toMatchObject({ name: HongbaoProblemError.name, code });
    expect(server.calls()).toEqual([open]);
    expect(client.unsettled()).toEqual([]);
  });

  it('a refused session is an error, and the ticket is kept', async () => {
    const client = await play([problem('unauthenticated')]);
    await expect(client.open('ticket')).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(client.unsettled()).toEqual([{ ticket: 'ticket', stage: 'opening' }]);
  });

  it('hands back what could not be settled in time, and another client takes it up with the receipt', async () => {
    const first = await play([answer(pending, 202), 'drop'], { limits: { settleMaxMs: 20_000 } });
    const outcome = await first.open('ticket');
    expect(outcome).toMatchObject({ outcome: 'unsettled', reason: 'spent', entry: { receipt: 'receipt-1' } });
    const kept = JSON.parse(JSON.stringify(first.unsettled()));
    await server.close();

    const second = await play([answer(credited)]);
    second.restore(kept);
    expect(await second.settleUnsettled()).toEqual([{ outcome: 'credited', packet: credited }]);
    expect(server.calls()).toEqual([poll]);
    expect(second.unsettled()).toEqual([]);
  });

  it('one ticket that can never be settled does not hold up the others', async () => {
    const client = await play([problem('ticket_invalid'), answer(credited)], { limits: { settlesAtOnceMax: 1 } });
    client.restore([
      { ticket: 'forged', stage: 'opening' },
      { ticket: 'good', stage: 'opening' },
    ]);
    await expect(client.settleUnsettled()).rejects.toThrow('1 tickets could not be settled');
    expect(server.calls()).toEqual([open, open]);
    expect(client.unsettled()).toEqual([]);
  });

  it('ends when its signal does, and keeps the ticket', async () => {
    const client = await play(['hang']);
    const controller = new AbortController();
    const opening = client.open('ticket', { signal: controller.signal });
    controller.abort();
    expect(await opening).toMatchObject({ outcome: 'unsettled', reason: 'aborted' });
    expect(client.unsettled()).toHaveLength(1);
  });

  it('against a server that answers nothing sends no more than its retry budget allows', async () => {
    const limits = { settleMaxMs: 600_000, retryBudgetMax: 5, retryBudgetDripMs: 60_000 };
    const client = await play(['drop'], { limits });
    expect((await client.open('ticket')).outcome).toBe('unsettled');
    const allowed = 1 + limits.retryBudgetMax + limits.settleMaxMs / limits.retryBudgetDripMs;
    expect(server.seen.length).toBeLessThanOrEqual(allowed);
    expect(server.seen.length).toBeGreaterThan(limits.retryBudgetMax);
  });

  it('a guest session is made on first need and renewed when it is refused', async () => {
    const session = (token: string) => answer({ token, userId: 'ann', expiresAt: '2026-02-17T00:00:00Z' }, 201);
    server = await startScriptedServer([session('one'), problem('unauthenticated'), session('two'), answer(credited)]);
    clock = new JumpingClock();
    const client = new HongbaoClient({ baseUrl: `${server.url}/`, userId: 'ann', clock });
    expect((await client.open('ticket')).outcome).toBe('credited');
    expect(server.calls()).toEqual(['POST /v1/sessions', open, 'POST /v1/sessions', open]);
    expect(server.seen[0]?.body).toEqual({ userId: 'ann' });
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      'Bearer one',
      undefined,
      'Bearer two',
    ]);
  });

  it('does not wait for a session when its signal ends it', async () => {
    server = await startScriptedServer(['hang']);
    const client = new HongbaoClient({ baseUrl: server.url, userId: 'ann' });
    const controller = new AbortController();
    const opening = client.open('ticket', { signal: controller.signal });
    controller.abort();
    expect(await opening).toMatchObject({ outcome: 'unsettled', reason: 'aborted' });
  });

  it('asked once for its status, a packet may be pending or unknown', async () => {
    const client = await play([answer(pending, 202), problem('packet_unknown'), answer(credited)]);
    expect(await client.status('5', 'receipt-1')).toEqual({ outcome: 'pending', pending });
    expect(await client.status('5')).toMatchObject({ outcome: 'unknown' });
    expect(await client.status('5')).toEqual({ outcome: 'credited', packet: credited });
    expect(server.calls()[0]).toBe('GET /v1/packets/5?receipt=receipt-1');
  });
});

describe('an open that the server puts off until the event is settled', () => {
  const away = problem('dependency_unavailable', { retryAfterMs: 30_000 });

  it('is handed back at once and kept with the time before which nobody asks', async () => {
    const client = await play([away]);
    const entry = { ticket: 'ticket', stage: 'opening', notBeforeMs: clock.nowMs() + 30_000 };
    expect(await client.open('ticket')).toEqual({ outcome: 'unsettled', reason: 'put_off', entry });
    expect(JSON.parse(JSON.stringify(client.unsettled()))).toEqual([entry]);
    expect(server.calls()).toEqual([open]);
    expect(clock.sleeps).toEqual([]);
  });

  it('is passed over by settleUnsettled, however often it is called, until its time; the others are not', async () => {
    const client = await play([away, answer(credited)]);
    await client.open('ticket');
    for (let call = 0; call < 5; call += 1) expect(await client.settleUnsettled()).toEqual([]);
    expect(server.calls()).toEqual([open]);
    client.restore([{ ticket: 'other', stage: 'opening' }]);
    expect(await client.settleUnsettled()).toHaveLength(1);
    expect(client.unsettled().map(({ ticket }) => ticket)).toEqual(['ticket']);
    await clock.sleep(30_000);
    expect(await client.settleUnsettled()).toEqual([{ outcome: 'credited', packet: credited }]);
    expect(client.unsettled()).toEqual([]);
  });

  it('is put off anew each time its time has come, and not waited for longer than a Retry-After may be', async () => {
    const client = await play([away, problem('dependency_unavailable', { retryAfterMs: 9_000_000 })]);
    await client.open('ticket');
    await clock.sleep(30_000);
    expect(await client.settleUnsettled()).toMatchObject([{ outcome: 'unsettled', reason: 'put_off' }]);
    expect(client.unsettled()[0]?.notBeforeMs).toBe(clock.nowMs() + 60_000);
  });

  it('is passed over after a restart too, but not for long when the clock was set back', async () => {
    const client = await play([answer(credited)]);
    const entry = { ticket: 'ticket', stage: 'opening' } as const;
    client.restore([{ ...entry, notBeforeMs: clock.nowMs() + 20_000 }]);
    expect(await client.settleUnsettled()).toEqual([]);
    client.restore([{ ...entry, notBeforeMs: clock.nowMs() + 3_600_000 }]);
    expect(await client.settleUnsettled()).toHaveLength(1);
  });

  it('is asked for at once by an explicit open; what is pending then is put off no longer', async () => {
    const client = await play([away, answer(pending, 202), 'drop'], { limits: { settleMaxMs: 2000 } });
    await client.open('ticket');
    expect(await client.open('ticket')).toMatchObject({ reason: 'spent', entry: { receipt: 'receipt-1' } });
    expect(client.unsettled()[0]).not.toHaveProperty('notBeforeMs');
  });

  it('takes up the receipt that another open of the same ticket got meanwhile', async () => {
    const client = await play([away, answer(credited)]);
    const opening = client.open('ticket');
    client.restore([{ ticket: 'ticket', stage: 'pending', packetId: credited.packetId, receipt: 'receipt-1' }]);
    expect((await opening).outcome).toBe('credited');
    expect(server.calls()).toEqual([open, poll]);
  });

  it.each<[string, Step]>([
    ["a proxy's 503", { status: 503, body: '<html>', headers: { 'retry-after': '30' } }],
    ['an overload', problem('overloaded', { retryAfterMs: 30_000 })],
    ['a shorter wait', problem('dependency_unavailable', { retryAfterMs: 19_999 })],
  ])('is not one that %s holds up: that is asked for again', async (_what, step) => {
    const client = await play([step, answer(credited)]);
    expect((await client.open('ticket')).outcome).toBe('credited');
    expect(clock.sleeps).toHaveLength(1);
  });

  it('is not one with a receipt: that goes on', async () => {
    const client = await play([answer(pending, 202), away, away, answer(credited)]);
    expect((await client.open('ticket')).outcome).toBe('credited');
    expect(server.seen).toHaveLength(4);
  });

  it('is an open: a grab or a status that is told the same goes on', async () => {
    const client = await play([away, answer({ status: 'credited', amountFen: 5, portion: 1 }), away, answer(credited)]);
    expect(await client.grab('share')).toMatchObject({ outcome: 'credited' });
    expect(await client.status('5')).toMatchObject({ outcome: 'credited' });
  });
});
