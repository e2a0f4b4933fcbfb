import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, until } from './support/http.ts';
import { Night } from './support/night.ts';
import { smallPlan } from './support/plans.ts';

/** Proves that an operator's pin or switch reaches every process, that each feature answers as its catalogue says, and that all return. */
describe('degradation by hand', () => {
  let night: Night;
  let eventId: string;
  let token: string;
  beforeAll(async () => {
    night = await Night.start({ gateways: 2 });
    eventId = await night.liveEvent(smallPlan({ packetsPerSponsor: 50, sponsors: 1, durationMs: 120_000 }));
    token = await night.session('alice');
  });
  afterAll(() => night.stop());

  const pin = async (tier: number): Promise<void> => {
    const answer = await night.ops('PUT', '/degradation/tier', { mode: 'pinned', tier, reason: 'test' });
    expect([answer.status, answer.body.tier]).toEqual([200, tier]);
  };
  const auto = () => night.ops('PUT', '/degradation/tier', { mode: 'auto', reason: 'test' });
  const leaderboard = () => night.gateway('GET', `/v1/events/${eventId}/leaderboard`);
  const event = () => night.gateway('GET', `/v1/events/${eventId}`);
  const shake = () => night.gateway('POST', `/v1/events/${eventId}/shake`, { token });
  /** Fresh connections reach both gateways in turn: several equal answers in a row mean that every process has followed. */
  const everywhere = (what: string, ask: () => Promise<Answer>, holds: (answer: Answer) => boolean) =>
    until(
      what,
      () => Promise.all(Array.from({ length: 6 }, ask)),
      (answers) => answers.every(holds),
      10_000,
    );

  it('yields the extras at tier 1, and they return', async () => {
    await everywhere('the leaderboard', leaderboard, ({ status }) => status === 200);
    await pin(1);
    const [off] = await everywhere('feature_off', leaderboard, ({ status }) => status === 503);
    expect([off!.body.code, off!.headers.get('retry-after')]).toEqual(['feature_off', expect.stringMatching(/^\d+$/)]);
    await everywhere(
      'tier 1 in the event answer',
      event,
      ({ body }) => body.tier === 1 && body.features.leaderboard === 'off',
    );
    await auto();
    await everywhere('the leaderboard again', leaderboard, ({ status }) => status === 200);
  });

  it('gives every shake a rest at tier 5', async () => {
    await pin(5);
    await everywhere('rest', shake, ({ body }) => body.result === 'rest' && body.nextShakeMs > 0);
    await auto();
    await everywhere('no rest', shake, ({ body }) => body.result !== 'rest');
  });

  it('switches one feature off with an end time, and it returns by itself', async () => {
    const untilIso = new Date(Date.now() + 2500).toISOString();
    const answer = await night.ops('PUT', '/degradation/features/leaderboard', {
      state: 'off',
      until: untilIso,
      reason: 'test',
    });
    expect(answer.status).toBe(200);
    await everywhere('feature_off', leaderboard, ({ status }) => status === 503);
    await everywhere('the leaderboard again', leaderboard, ({ status }) => status === 200);
  });

  it('refuses acts without reason, of viewers and of strangers, and writes every act down', async () => {
    const body = { mode: 'pinned', tier: 1, reason: 'test' };
    expect((await night.ops('PUT', '/degradation/tier', { mode: 'pinned', tier: 1 })).body.code).toBe('bad_request');
    expect((await night.ops('PUT', '/degradation/tier', body, night.stack.viewerToken)).body.code).toBe('forbidden');
    expect((await night.ops('PUT', '/degradation/tier', body, 'wrong-token')).body.code).toBe('unauthenticated');
    expect((await night.ops('PUT', '/degradation/features/nonsense', { state: 'off', reason: 'test' })).body.code).toBe(
      'feature_unknown',
    );
    expect((await night.ops('GET', '/degradation', undefined, night.stack.viewerToken)).status).toBe(200);
    const { body: log } = await night.ops('GET', '/audit-log');
    const actions = log.entries.map((entry: { action: string; reason: string }) => [entry.action, entry.reason]);
    expect(actions.filter(([, reason]: [string, string]) => reason === 'test').length).toBeGreaterThanOrEqual(6);
  });

  it('can be done by an operator while somebody at his address guesses tokens and a stale one comes again and again', async () => {
    await pin(0);
    const tokens = Array.from({ length: 50 }, (_, n) => [`guess-${n}`, 'token-of-last-week']).flat();
    const statuses: number[] = [];
    for (const wrong of tokens) statuses.push((await night.ops('GET', '/degradation', undefined, wrong)).status);
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    await pin(1);
    await everywhere('feature_off', leaderboard, ({ status }) => status === 503);
    expect((await auto()).status).toBe(200);
    await everywhere('the leaderboard again', leaderboard, ({ status }) => status === 200);
  });
});
