import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyRingSchema } from '#libs/contracts';
import { createPool } from '#libs/database';
import { type FeatureKey, type FeatureMode, featureKeys, featureOf, modeAtTier } from '#libs/degradation';
import { type ClaimKind, createKeyRing, packetIdOf, packetRefOf, signClaim, type Tier } from '#libs/domain';
import { type Answer, until } from './support/http.ts';
import { Night, testTicketKeys } from './support/night.ts';
import { smallPlan } from './support/plans.ts';

const packets = 500;

/** Proves that every feature of the catalogue yields tier by tier and by its switch, and returns: in a whole system, at its public door. */
let night: Night;
let eventId: string;
let alice: string;
let packetId: string;
let ticket: string;
let shareToken: string;
/** Of users who have not come yet. */
let newcomers: string[];
let openers: { userId: string; token: string }[];

beforeAll(async () => {
  night = await Night.start({ env: { OPEN_REPLY_WAIT_MS: '10000', GRAB_REPLY_WAIT_MS: '10000' } });
  eventId = await night.liveEvent(
    smallPlan({
      packetsPerSponsor: packets,
      sponsors: 1,
      durationMs: 600_000,
      ticketTtlMs: 600_000,
      sharePortions: 100,
    }),
  );
  alice = await night.session('alice');
  packetId = await stockedPacket();
  ticket = signed('ticket', BigInt(packetId), Date.now() + 600_000);
  newcomers = await Promise.all(Array.from({ length: 300 }, (_, no) => night.session(`newcomer-${no}`)));
  openers = await Promise.all(
    Array.from({ length: 60 }, async (_, no) => {
      const userId = `opener-${no}`;
      return { userId, token: await night.session(userId) };
    }),
  );
  await until('the whole stock', stocked, (count) => count === packets);
  await until('the credit', open, ({ body }) => body.status === 'credited');
  shareToken = (await share({ ticket })).body.shareToken;
});
afterAll(() => night.stop());

const stocked = async (): Promise<number> =>
  (await night.ops('GET', `/events/${eventId}/reconciliation`)).body.packets.stocked;

/** A packet of a block that is out: any gateway might have drawn it. */
async function stockedPacket(): Promise<string> {
  const connection = { connectionString: night.stack.databaseUrl, applicationName: 'test', max: 1 };
  const pool = createPool({ ...connection, statementTimeoutMs: 10_000 });
  try {
    const sql = `SELECT b.pool_id FROM blocks b JOIN pools p ON p.id = b.pool_id
      WHERE p.event_id = $1 AND b.block_no = 0 AND b.epoch = 1 AND b.state = 'out'`;
    const stocked = () => pool.query<{ pool_id: number }>(sql, [Number(eventId)]);
    const { rows } = await until('a block', stocked, (result) => result.rows.length === 1);
    return String(packetIdOf({ poolId: rows[0]!.pool_id, blockNo: 0, index: 0 }));
  } finally {
    await pool.end();
  }
}
/** A claim, of alice's unless another user is named, as a gateway signs it. */
const signed = (kind: ClaimKind, id: bigint, atMs: number, userId = 'alice'): string => {
  const ring = createKeyRing(keyRingSchema.parse(testTicketKeys));
  const claim = { kind, eventId: Number(eventId), packetId: id, epoch: 1, sponsorNo: 0, atMs };
  return signClaim(ring, { ...claim, userId });
};

const open = () => night.gateway('POST', '/v1/packets/open', { token: alice, body: { ticket } });
const share = (body: unknown) => night.gateway('POST', `/v1/packets/${packetId}/share`, { token: alice, body });
const mine = (path: string) => night.gateway('GET', `/v1/me/${path}`, { token: alice });
const isOff = ({ status, body, headers }: Answer): boolean =>
  status === 503 && body.code === 'feature_off' && Number(headers.get('retry-after')) > 0;
const newcomer = (): string => newcomers.shift() ?? expect.fail('everybody has come');

/** Ten users shake for the first time; the results. */
const shakes = async (): Promise<string[]> => {
  const path = `/v1/events/${eventId}/shake`;
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => night.gateway('POST', path, { token: newcomer() })),
  );
  return answers.map(({ body }) => body.result);
};
/** Neighbour of the packet, which nobody opens: what its receipt says. */
const status = async (withReceipt: boolean): Promise<Answer> => {
  const ref = packetRefOf(BigInt(packetId));
  const neighbour = packetIdOf({ ...ref, blockNo: ref.blockNo + 1 });
  const receipt = signed('receipt', neighbour, Date.now() - 1000);
  return await night.gateway('GET', `/v1/packets/${neighbour}${withReceipt ? `?receipt=${receipt}` : ''}`, {
    token: alice,
  });
};
/** A page of the ledger: read anew each time, or the same copy. */
const readTwice = async (path: string): Promise<FeatureMode> => {
  const [first, second] = [await mine(path), await mine(path)];
  if (isOff(first)) return 'off';
  return first.body.asOf === second.body.asOf ? 'cached' : 'full';
};
const feed = async (): Promise<Answer> => {
  const end = new AbortController();
  const {
    status: code,
    headers,
    body,
  } = await fetch(`${night.stack.gatewayUrl}/v1/events/${eventId}/feed`, {
    signal: end.signal,
  });
  const text = code === 200 ? '' : await new Response(body).text();
  end.abort();
  return { status: code, headers, body: text === '' ? {} : JSON.parse(text) };
};
const onOrOff = async (answer: Promise<Answer>, served: number): Promise<FeatureMode | undefined> => {
  const given = await answer;
  if (isOff(given)) return 'off';
  return given.status === served ? 'full' : undefined;
};

/** How a feature is served now, told by what its users get; undefined: as the catalogue never says. */
const observed: Readonly<Record<FeatureKey, () => Promise<FeatureMode | undefined>>> = {
  opens: () => onOrOff(open(), 200),
  grabs: async () => {
    const answer = await night.gateway('POST', `/v1/shares/${shareToken}/grab`, { token: newcomer() });
    return answer.status === 202 ? 'deferred' : onOrOff(Promise.resolve(answer), 200);
  },
  share_creation: async () => {
    const [withTicket, without] = [await share({ ticket }), await share({})];
    if (isOff(withTicket)) return 'off';
    if (withTicket.status === 201 && isOff(without)) return 'reduced';
    return withTicket.status === 201 && without.status === 201 ? 'full' : undefined;
  },
  shakes: async () => {
    const results = await shakes();
    const resting = results.filter((result) => result === 'rest').length;
    if (resting === 0) return 'full';
    return resting === results.length ? 'off' : 'paced';
  },
  status: async () => {
    const pending = await status(true);
    if (pending.body.status !== 'pending') return undefined;
    if (isOff(await status(false))) return 'off';
    return pending.body.pollAfterMs >= 2 * pollAfterMs ? 'paced' : 'full';
  },
  guest_sessions: () => onOrOff(night.gateway('POST', '/v1/sessions'), 201),
  share_pages: async () => {
    const mode = await onOrOff(night.gateway('GET', `/v1/shares/${shareToken}`), 200);
    return mode === 'full' ? await pageMode() : mode;
  },
  wallet: () => readTwice('wallet'),
  history: () => readTwice('packets'),
  event_details: async () => {
    const { body } = await night.gateway('GET', `/v1/events/${eventId}`);
    return body.sponsors.length + body.waves.length > 0 ? 'full' : 'off';
  },
  share_grab_list: async () => {
    const { status: code, body } = await night.gateway('GET', `/v1/shares/${shareToken}`);
    return code !== 200 || body.grabs === undefined ? 'off' : 'full';
  },
  leaderboard: () => onOrOff(night.gateway('GET', `/v1/events/${eventId}/leaderboard`), 200),
  feed: () => onOrOff(feed(), 200),
};

/** Of a pending status at tier 0; jitter makes it up to half more. */
const pollAfterMs = 500;
/** Where nothing yields, a page is never from a copy as old as this. */
const pageFreshMs = 1100;
let looksAtPages = 0;

/**
 * Somebody looks at the page of a share whose packet nobody has opened yet; then another opens it, so that the share is void. A page that is
 * read anew says so; the copy of before does not.
 */
async function pageMode(): Promise<FeatureMode | undefined> {
  const no = looksAtPages++;
  const opener = openers[no] ?? expect.fail('every opener has opened');
  const ref = packetRefOf(BigInt(packetId));
  // of a block that nobody else here opens packets of
  const id = packetIdOf({ ...ref, blockNo: ref.blockNo + 2 + no });
  const sharesEndAtMs = Date.now() + 600_000;
  const page = async (): Promise<Answer> =>
    await night.gateway('GET', `/v1/shares/${signed('share', id, sharesEndAtMs, 'nobody')}`);
  if ((await page()).status !== 200) return undefined;
  const body = { ticket: signed('ticket', id, Date.now() + 600_000, opener.userId) };
  const opened = () => night.gateway('POST', '/v1/packets/open', { token: opener.token, body });
  await until('the credit', opened, ({ body: answer }) => answer.status === 'credited');
  await new Promise((resolve) => setTimeout(resolve, pageFreshMs));
  const { status: code } = await page();
  if (code === 410) return 'full';
  return code === 200 ? 'cached' : undefined;
}

async function pin(tier: Tier): Promise<void> {
  const answer = await night.ops('PUT', '/degradation/tier', { mode: 'pinned', tier, reason: 'test' });
  expect(answer.status).toBe(200);
}
async function turn(key: FeatureKey, state: 'off' | 'auto'): Promise<void> {
  expect((await night.ops('PUT', `/degradation/features/${key}`, { state, reason: 'test' })).status).toBe(200);
}
/** Every process has followed, and users get what the mode says. */
const untilServed = (key: FeatureKey, mode: FeatureMode) =>
  until(`${key} ${mode}`, observed[key], (seen) => seen === mode, 15_000);

describe.each(featureKeys)('%s', (key) => {
  it('yields at its tiers and returns below them', async () => {
    await pin(0);
    await untilServed(key, 'full');
    for (const { tier, mode } of featureOf(key).steps) {
      await pin(tier);
      await untilServed(key, mode);
      await pin((tier - 1) as Tier);
      await untilServed(key, modeAtTier(key, (tier - 1) as Tier));
    }
    await pin(0);
    await untilServed(key, 'full');
  });

  it('yields by its switch and returns', async () => {
    await turn(key, 'off');
    await untilServed(key, 'off');
    await turn(key, 'auto');
    await untilServed(key, 'full');
  });
});
