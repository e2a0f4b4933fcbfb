import { bodyBytesMax, keyRingSchema, opsBodyBytesMax } from '#libs/contracts';
import { createPool, type Pool } from '#libs/database';
import { createKeyRing, signClaim, verifyClaim } from '#libs/domain';
import type { FuzzWorld } from './fuzz-request.ts';
import { until } from './http.ts';
import { Night, testTicketKeys } from './night.ts';
import { smallPlan } from './plans.ts';

/** A whole system that has something in it: what exists leads a fuzz further than what it could guess. */
export interface FuzzStage {
  readonly night: Night;
  readonly pool: Pool;
  /** A packet of it is opened and its share used up: asking for them again books nothing. No operator may act on it. */
  readonly liveId: string;
  readonly settledId: string;
  readonly draftId: string;
  /** What the public door is fuzzed with. */
  readonly door: FuzzWorld;
  /** What the operations door is fuzzed with. */
  readonly operations: FuzzWorld;
  stop(): Promise<void>;
}

export async function setFuzzStage(): Promise<FuzzStage> {
  const night = await Night.start({ gateways: 2 });
  const pool = createPool({
    connectionString: night.stack.databaseUrl,
    applicationName: 'test',
    max: 1,
    statementTimeoutMs: 30_000,
  });
  const stop = async () => {
    await pool.end();
    await night.stop();
  };
  try {
    const settledId = await night.liveEvent(
      smallPlan({ packetsPerSponsor: 32, sponsors: 1, durationMs: 60_000, ticketTtlMs: 1000 }),
    );
    const [liveId] = await Promise.all([
      night.liveEvent(
        smallPlan({
          packetsPerSponsor: 500,
          sponsors: 2,
          durationMs: 3_600_000,
          sharePortions: 2,
          sharesLastMs: 3_600_000,
        }),
      ),
      night.settled(settledId),
    ]);
    const draft = await night.ops('POST', '/events', draftPlan());
    const draftId: string = draft.body.id;
    const ids = { liveId, settledId, draftId };
    return { night, pool, ...ids, door: await doorWorld(night, liveId), operations: operationsWorld(night, ids), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts in a day, so that nobody shakes at it. */
function draftPlan() {
  const plan = smallPlan({ packetsPerSponsor: 32, sponsors: 1, durationMs: 60_000 });
  const later = (iso: string) => new Date(Date.parse(iso) + 86_400_000).toISOString();
  const waves = plan.waves.map((wave) => ({ ...wave, startsAt: later(wave.startsAt) }));
  const { startsAt, endsAt, sharesEndAt = endsAt } = plan;
  const times = { startsAt: later(startsAt), endsAt: later(endsAt), sharesEndAt: later(sharesEndAt) };
  return { ...plan, ...times, waves, reason: 'fuzz' };
}

/** The last instant that can be written, as those see it who are a day behind. */
const endOfTime = '9999-12-31T23:59:59-23:59';

/** The last event of all. */
function lastPlan() {
  const plan = draftPlan();
  const startsAt = '9999-12-31T23:58:00-23:00';
  const waves = plan.waves.map((wave) => ({ ...wave, startsAt }));
  return { ...plan, startsAt, endsAt: endOfTime, sharesEndAt: endOfTime, waves };
}

/** Opens a packet and has its share used up. */
async function doorWorld(night: Night, eventId: string): Promise<FuzzWorld> {
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((name) => night.session(name)));
  const hit = await night.shakeUntilHit(eventId, alice!);
  const ask = (path: string, token: string, body?: unknown) =>
    until(
      `an outcome of ${path}`,
      () => night.gateway('POST', path, { token, body }),
      ({ status }) => status < 202,
    );
  const { packetId } = (await ask('/v1/packets/open', alice!, { ticket: hit.ticket })).body;
  const { shareToken } = (await ask(`/v1/packets/${packetId}/share`, alice!, { ticket: hit.ticket })).body;
  for (const token of [bob!, carol!]) await ask(`/v1/shares/${shareToken}/grab`, token);
  const ring = createKeyRing(keyRingSchema.parse(testTicketKeys));
  const claim = verifyClaim(ring, 'ticket', hit.ticket)!;
  const receipt = signClaim(ring, { ...claim, kind: 'receipt', atMs: Date.now() - 1000 });
  const past = signClaim(ring, { ...claim, packetId: claim.packetId + 1n, atMs: Date.now() - 60_000 });
  const foreign = signClaim(ring, { ...claim, userId: 'mallory' });
  const tickets = [hit.ticket, past, foreign, receipt, shareToken].map((ticket) => ({ ticket }));
  return {
    bodyBytesMax,
    tokens: { session: [alice!, bob!], viewer: [night.stack.viewerToken], operator: [night.stack.opsToken] },
    known: {
      eventId: [eventId],
      packetId: [packetId, String(claim.packetId + 1n)],
      shareToken: [shareToken],
      receipt: [receipt, hit.ticket],
    },
    examples: {
      'POST /v1/packets/open': [...tickets, { ticket: hit.ticket, receipt }],
      'POST /v1/packets/{packetId}/share': [...tickets, {}],
      'POST /v1/sessions': [{}, { userId: 'alice' }],
    },
    untouchable: [eventId],
  };
}

function operationsWorld(night: Night, ids: Pick<FuzzStage, 'liveId' | 'settledId' | 'draftId'>): FuzzWorld {
  const reason = 'fuzz';
  const acts = ['arm', 'close', 'settle'].map((act) => [`POST /ops/v1/events/{eventId}/${act}`, [{ reason }]]);
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  return {
    bodyBytesMax: opsBodyBytesMax,
    tokens: { session: [], viewer: [night.stack.viewerToken], operator: [night.stack.opsToken] },
    known: {
      eventId: [ids.liveId, ids.settledId, ids.draftId, '2147483647', '2147483648'],
      key: ['leaderboard', 'feed', 'opens', 'share_pages'],
      id: ['1', '9223372036854775807', '9223372036854775808'],
      cursor: ['1', '2', '9223372036854775807', '9223372036854775808', '2147483647', '2147483648'],
    },
    examples: {
      ...Object.fromEntries(acts),
      'POST /ops/v1/events': [draftPlan(), lastPlan()],
      'PUT /ops/v1/degradation/tier': [
        { mode: 'auto', reason },
        { mode: 'floor', tier: 1, until: soon, reason },
        { mode: 'pinned', tier: 3, reason },
        { mode: 'pinned', tier: 3, until: endOfTime, reason },
      ],
      'PUT /ops/v1/degradation/features/{key}': [
        { state: 'off', until: soon, reason },
        { state: 'auto', reason },
        { state: 'on', until: endOfTime, reason },
      ],
      'POST /ops/v1/dead-letters/{id}/replay': [{ reason }],
    },
    untouchable: [ids.liveId],
  };
}
