import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EventRecord } from './read/load-events.ts';
import { findViolations } from './sql/find-violations.sql.ts';
import { type KeptDenial, type OpenClaim, type OpenSettlement, settleOpens } from './sql/settle-opens.sql.ts';
import { amountOf, draftOf, openOf, packetIdsOf, poolOfSponsor, startEvent, t0 } from './testing/event.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

const sponsorCount = 3;
const perUserMax = 2;

/** The rules of settling opens, one claim after the other. */
class Model {
  private readonly grants = new Map<
    bigint,
    { userId: string; epoch: number; sponsorNo: number; ordinal: number; amountFen: number }
  >();
  /** By ticket. */
  private readonly denials = new Map<string, KeptDenial>();
  private readonly blocks = new Map<bigint, { epoch: number; state: string }>();

  setBlock(packetId: bigint, block: { epoch: number; state: string }): void {
    this.blocks.set(packetId >> 8n, block);
  }

  settle(claims: readonly OpenClaim[]): OpenSettlement[] {
    const settled = new Array<OpenSettlement>(claims.length);
    for (const at of this.inOrder(claims)) settled[at] = this.settleOne(claims[at]!);
    return settled;
  }

  /** By acceptance; but a claim that differs from an earlier one on the same packet comes after all that do not. */
  private inOrder(claims: readonly OpenClaim[]): number[] {
    const byTime = claims.map((_, at) => at).sort((a, b) => claims[a]!.acceptedAtMs - claims[b]!.acceptedAtMs || a - b);
    const rounds: number[][] = [];
    const kinds = new Map<bigint, string[]>();
    for (const at of byTime) {
      const { packetId, userId, epoch } = claims[at]!;
      const kind = `${userId} ${epoch}`;
      const known = kinds.get(packetId) ?? [];
      if (!known.includes(kind)) known.push(kind);
      kinds.set(packetId, known);
      const round = known.indexOf(kind);
      rounds[round] = [...(rounds[round] ?? []), at];
    }
    return rounds.flat();
  }

  private settleOne(claim: OpenClaim): OpenSettlement {
    const grant = this.grants.get(claim.packetId);
    if (grant?.userId === claim.userId && grant.epoch === claim.epoch) {
      const { amountFen, ordinal } = grant;
      return { outcome: 'credited', amountFen, ordinal, isNew: false };
    }
    const ticket = `${claim.packetId}/${claim.epoch}/${claim.userId}`;
    const known = this.denials.get(ticket);
    if (known !== undefined) return { outcome: known };
    const block = this.blocks.get(claim.packetId >> 8n) ?? { epoch: 1, state: 'out' };
    if (block.epoch !== claim.epoch || block.state === 'closed') return { outcome: 'expired' };
    if (grant?.userId === claim.userId) return { outcome: 'expired' };
    const held = [...this.grants.values()].filter(({ userId }) => userId === claim.userId);
    const denial = grant === undefined ? limitOf(held, claim) : 'taken';
    if (denial !== undefined) {
      this.denials.set(ticket, denial);
      return { outcome: denial };
    }
    const { userId, epoch, sponsorNo, amountFen } = claim;
    const ordinal = held.length + 1;
    this.grants.set(claim.packetId, { userId, epoch, sponsorNo, ordinal, amountFen });
    return { outcome: 'credited', amountFen, ordinal, isNew: true };
  }
}

function limitOf(held: readonly { sponsorNo: number }[], claim: OpenClaim): KeptDenial | undefined {
  if (held.some(({ sponsorNo }) => sponsorNo === claim.sponsorNo)) return 'sponsor_limit';
  return held.length >= perUserMax ? 'limit' : undefined;
}

const claimArbitrary = fc.record({
  user: fc.integer({ min: 0, max: 4 }),
  sponsorNo: fc.integer({ min: 0, max: sponsorCount - 1 }),
  n: fc.integer({ min: 0, max: 5 }),
  epoch: fc.constantFrom(1, 1, 1, 2),
  acceptedAtMs: fc.integer({ min: t0, max: t0 + 6 }),
});
const stepArbitrary = fc.oneof(
  { weight: 4, arbitrary: fc.record({ claims: fc.array(claimArbitrary, { minLength: 1, maxLength: 40 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      sponsorNo: fc.integer({ min: 0, max: sponsorCount - 1 }),
      n: fc.integer({ min: 0, max: 5 }),
      epoch: fc.constantFrom(1, 2),
      state: fc.constantFrom('out', 'reclaimed', 'retired', 'closed'),
    }),
  },
);

it('settle_opens agrees with a model that takes one claim after the other, for any batches (invariants 1, 4, 5, 7)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { minLength: 1, maxLength: 8 }), async (steps) => {
      const event = await startEvent(db, draftOf(sponsorCount, { perUserMax }));
      const model = new Model();
      for (const step of steps) {
        if ('claims' in step) {
          const claims = step.claims.map(({ user, ...claim }) => openOf(event, `u${event.id}-${user}`, claim));
          expect(await settleOpens(db.pool, claims)).toEqual(model.settle(claims));
        } else {
          const packetId = packetIdsOf(poolOfSponsor(event, step.sponsorNo))[step.n]!;
          await setBlock(packetId, step);
          model.setBlock(packetId, step);
        }
      }
      await expectSound(event);
    }),
    { numRuns: 60 },
  );
});

async function setBlock(packetId: bigint, { epoch, state }: { epoch: number; state: string }): Promise<void> {
  await db.pool.query(
    'UPDATE blocks SET epoch = $3, state = $4 WHERE pool_id = $1::bigint >> 39 AND block_no = ($1::bigint >> 8) & $2',
    [packetId, 2 ** 31 - 1, epoch, state],
  );
}

/** The steps also take epochs back, which no operation does; what they granted in the higher one is no violation here. */
async function expectSound(event: EventRecord): Promise<void> {
  const violations = await findViolations(db.pool, { eventId: event.id, limitPerRule: 5 });
  expect(violations.filter(({ rule }) => rule !== 'grant_block')).toEqual([]);
  const { rows } = await db.pool.query<{ packet_id: bigint; amount_fen: number }>(
    'SELECT packet_id, amount_fen FROM grants WHERE event_id = $1',
    [event.id],
  );
  for (const { packet_id, amount_fen } of rows) {
    const pool = event.pools.find(({ poolId }) => BigInt(poolId) === packet_id >> 39n)!;
    expect(amount_fen).toBe(amountOf(pool, packet_id));
  }
}
