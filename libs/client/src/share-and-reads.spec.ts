import { afterEach, describe, expect, it } from 'vitest';
import { HongbaoClient } from './client.ts';
import { HongbaoOps } from './ops.ts';
import { answer, JumpingClock, problem, type ScriptedServer, type Step, startScriptedServer } from './testing.ts';

let server: ScriptedServer;
let clock: JumpingClock;

async function play(script: readonly Step[]): Promise<HongbaoClient> {
  server = await startScriptedServer(script);
  clock = new JumpingClock();
  return new HongbaoClient({ baseUrl: server.url, token: 'session', clock, random: () => 0.5 });
}

afterEach(() => server.close());

describe('sharing and grabbing', () => {
  it('grabs until there is an outcome, through pending, lost and refused answers', async () => {
    const pending = answer({ status: 'pending', pollAfterMs: 300 }, 202);
    const credited = answer({ status: 'credited', amountFen: 12, portion: 2 });
    const client = await play([pending, 'drop', problem('queue_unavailable'), pending, credited]);
    expect(await client.grab('token')).toEqual({ outcome: 'credited', amountFen: 12, portion: 2 });
    expect(new Set(server.calls())).toEqual(new Set(['POST /v1/shares/token/grab']));
  });

  it('an empty or ended share is an outcome, a forged one an error', async () => {
    const client = await play([answer({ status: 'empty' }), problem('share_expired'), problem('share_invalid')]);
    expect(await client.grab('token')).toEqual({ outcome: 'empty' });
    expect(await client.grab('token')).toMatchObject({ outcome: 'expired' });
    await expect(client.grab('token')).rejects.toMatchObject({ code: 'share_invalid' });
  });

  it('shares with the ticket, and says why it cannot', async () => {
    const share = { shareToken: 't', url: '/s/t', portions: 3, expiresAt: '2026-02-17T00:00:00Z' };
    const client = await play([answer(share, 201), problem('state_conflict'), problem('packet_unknown')]);
    expect(await client.share('5', 'ticket')).toEqual({ outcome: 'shared', share });
    expect(server.seen[0]?.body).toEqual({ ticket: 'ticket' });
    expect(await client.share('5')).toMatchObject({ outcome: 'impossible' });
    expect(await client.share('5')).toMatchObject({ outcome: 'unknown' });
  });
});

describe('reads', () => {
  it('a feature that is off is an answer and is not asked again', async () => {
    const client = await play([problem('feature_off')]);
    expect(await client.sharePage('token')).toMatchObject({ outcome: 'off' });
    expect(server.seen).toHaveLength(1);
  });

  it('pages through the history with the cursor', async () => {
    const client = await play([answer({ packets: [], nextCursor: 'a b', asOf: '2026-02-16T20:00:00Z' })]);
    await client.history({ cursor: 'x&y', limit: 50 });
    await client.history();
    expect(server.calls()).toEqual(['GET /v1/me/packets?cursor=x%26y&limit=50', 'GET /v1/me/packets']);
  });

  it('gives up after the named number of tries, with the last problem', async () => {
    const client = await play([problem('dependency_unavailable')]);
    await expect(client.wallet()).rejects.toMatchObject({ code: 'dependency_unavailable' });
    expect(server.seen).toHaveLength(5);
  });
});

describe('operations', () => {
  it('settle too early is an outcome with the time from which it is possible', async () => {
    const possibleAt = '2026-02-16T21:00:00.000Z';
    await play([problem('too_early', { possibleAt }), answer({ id: '7', state: 'settled' })]);
    const ops = new HongbaoOps({ baseUrl: server.url, token: 'operator', clock });
    expect(await ops.settle('7', 'the night is over')).toEqual({ outcome: 'too_early', possibleAt });
    expect(await ops.settle('7', 'the night is over')).toMatchObject({ outcome: 'settled', event: { id: '7' } });
    expect(server.seen[0]).toMatchObject({
      path: '/ops/v1/events/7/settle',
      body: { reason: 'the night is over' },
      headers: { authorization: 'Bearer operator' },
    });
  });

  it('an event is created once: a lost answer is an error, never a second event', async () => {
    await play(['drop', answer({ id: '8' }, 201)]);
    const ops = new HongbaoOps({ baseUrl: server.url, token: 'operator', clock });
    await expect(ops.createEvent({} as Parameters<HongbaoOps['createEvent']>[0])).rejects.toMatchObject({
      name: 'HongbaoLostError',
    });
    expect(server.seen).toHaveLength(1);
  });
});
