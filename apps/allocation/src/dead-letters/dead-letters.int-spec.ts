// Poison: one item that can never be booked is set aside with all it takes to replay it, and the rest of its job goes on (invariant 9).
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deadLetterSchema } from '#libs/contracts';
import { type DeadLetterRecord, type EventRecord, listDeadLetters } from '#libs/database';
import { addOutstanding } from '#libs/queue';
import { keys } from '#libs/redis';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';

const wait = { timeout: 30_000, interval: 50 };
let rig: AllocationRig;
beforeAll(async () => {
  rig = await AllocationRig.create();
  // stands for data that the database can never take
  await rig.pool.query(`
    CREATE TABLE poisonous (name text);
    CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM accounts a JOIN poisonous p ON p.name = a.name WHERE a.id = NEW.account_id) THEN
        RAISE EXCEPTION 'poison' USING ERRCODE = 'data_exception';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER grants_poison BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION refuse_poison();
    CREATE TRIGGER grabs_poison BEFORE INSERT ON grabs FOR EACH ROW EXECUTE FUNCTION refuse_poison();`);
});
afterAll(async () => {
  await rig?.close();
});
beforeEach(async () => {
  await cure();
});

const poison = (...names: string[]) => rig.pool.query('INSERT INTO poisonous SELECT unnest($1::text[])', [names]);
const cure = () => rig.pool.query('DELETE FROM poisonous');
const lettersOf = async (event: EventRecord): Promise<DeadLetterRecord[]> => {
  const { deadLetters } = await listDeadLetters(rig.prisma, { limit: 200 });
  return deadLetters.filter(({ eventId }) => eventId === event.id);
};
const takeAll = async (event: EventRecord, count: number): Promise<Issued[]> => {
  const packets: Issued[] = [];
  await expect.poll(async () => packets.push(...(await rig.gateway.take(event))), wait).toBeGreaterThanOrEqual(count);
  return packets;
};
const armed = (lastsMs: number) =>
  rig.arm(
    planOf({ lastsMs, sponsors: 1, event: { blockLifeMs: 500 }, pool: { sharePortions: 2, shareBudgetFen: 640 } }),
  );

describe('a poisonous open', () => {
  it('is the only one of its job that is not booked; it is replayed with its acceptance, once', async () => {
    const event = await armed(60_000);
    const packets = await takeAll(event, 64);
    const users = packets.map((_, i) => `job-${i}`);
    const bad = [3, 17, 40];
    await poison(...bad.map((i) => users[i]!));
    const outcomes = await Promise.all(packets.map((packet, i) => rig.gateway.open(event, packet, users[i]!)));
    expect(outcomes.map((outcome) => outcome?.outcome)).toEqual(
      packets.map((_, i) => (bad.includes(i) ? 'dead' : 'credited')),
    );
    const letters = await lettersOf(event);
    expect(letters.map(({ userId }) => userId).sort()).toEqual(bad.map((i) => users[i]).sort());
    expect(letters.every(({ kind, error }) => kind === 'open' && error.includes('poison'))).toBe(true);

    // what cannot be reissued while it waits: its blocks stay out while others come back
    const badNos = new Set(bad.map((i) => packets[i]!.blockNo));
    const states = async () => {
      const sql = 'SELECT block_no, state, epoch FROM blocks WHERE pool_id = $1';
      const { rows } = await rig.pool.query<{ block_no: number; state: string; epoch: number }>(sql, [
        packets[0]!.poolId,
      ]);
      return new Map(rows.map((row) => [row.block_no, `${row.state} ${row.epoch}`]));
    };
    await expect
      .poll(
        async () => [...(await states())].filter(([no]) => !badNos.has(no)).every(([, s]) => s.startsWith('closed')),
        wait,
      )
      .toBe(true);
    for (const no of badNos) expect((await states()).get(no)).toMatch(/^out /);

    const [letter] = letters;
    const { packetId, userId, item } = letter!;
    const { acceptedAtMs, epoch } = item as { acceptedAtMs: number; epoch: number };
    const status = () => rig.allocation.status(packetId, userId, epoch);
    const pending = { status: 'pending', acceptedAtMs };
    expect(await status()).toEqual(pending);
    expect((await rig.allocation.replay(letter!.id)).body.code).toBe('state_conflict');
    expect(await status()).toEqual(pending);
    await cure();
    const [first, second] = await Promise.all([rig.allocation.replay(letter!.id), rig.allocation.replay(letter!.id)]);
    expect(deadLetterSchema.parse(first!.body).outcome).toMatchObject({ outcome: 'credited' });
    expect(second!.body.outcome).toEqual(first!.body.outcome);
    expect((await rig.allocation.replay(letter!.id)).body.outcome).toEqual(first!.body.outcome);
    expect(await status()).toMatchObject({ status: 'credited', epoch });
    const { rows } = await rig.pool.query<{ accepted_at_ms: bigint }>(
      'SELECT accepted_at_ms FROM grants WHERE packet_id = $1',
      [packetId],
    );
    expect(rows).toEqual([{ accepted_at_ms: BigInt(acceptedAtMs) }]);
    for (const { id } of letters.slice(1)) expect((await rig.allocation.replay(id)).status).toBe(200);
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true, violations: [] });
    expect((await rig.allocation.replay('999999')).body.code).toBe('dead_letter_unknown');
    expect((await rig.allocation.replay('x')).body.code).toBe('dead_letter_unknown');
  });

  it('keeps its event from being settled until it was replayed, if only to fail again', async () => {
    const event = await armed(2500);
    const [packet] = await takeAll(event, 64);
    await poison('hopeless');
    expect((await rig.gateway.open(event, packet!, 'hopeless'))?.outcome).toBe('dead');
    const settle = () => rig.allocation.act(String(event.id), 'settle');
    const isRefusedForIt = async () => {
      const { body } = await settle();
      return body.code === 'state_conflict' && body.detail!.includes('dead letter');
    };
    await expect.poll(isRefusedForIt, wait).toBe(true);
    const [letter] = await lettersOf(event);
    const replayed = await rig.allocation.replay(letter!.id);
    expect(replayed.body.outcome).toMatchObject({ outcome: 'dead' });
    const status = async () => (await rig.allocation.status(packet!.packetId, 'hopeless', 1)).status;
    expect(await status()).toBe('pending');
    expect((await settle()).body.state).toBe('settled');
    expect(await status()).toBe('expired');
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true, grantedFen: 0 });
    // tried again after all: the packet was refunded meanwhile
    await cure();
    expect((await rig.allocation.replay(letter!.id)).body.outcome).toEqual({ outcome: 'expired' });
    expect(await status()).toBe('expired');
  });
});

describe('a poisonous grab', () => {
  it('is set aside and replayed like an open, and waits for the open of its owner', async () => {
    const event = await armed(60_000);
    const [packet] = await takeAll(event, 64);
    await rig.gateway.open(event, packet!, 'owner');
    await poison('bad-friend');
    expect((await rig.gateway.grab(event, packet!, 'owner', 'bad-friend'))?.outcome).toBe('dead');
    expect((await rig.gateway.grab(event, packet!, 'owner', 'good-friend'))?.outcome).toBe('credited');
    await cure();
    const [letter] = await lettersOf(event);
    expect(letter).toMatchObject({ kind: 'grab', userId: 'bad-friend' });
    expect((await rig.allocation.replay(letter!.id)).body.outcome).toMatchObject({ outcome: 'credited', portion: 2 });
  });
});

describe('a job of another version', () => {
  it('is taken apart into letters that can be replayed, and does not stop its lane', async () => {
    const event = await armed(60_000);
    const packets = await takeAll(event, 64);
    const [packet] = packets;
    const lane = 'open-1';
    const connection = new Redis(rig.redis.url, { maxRetriesPerRequest: null });
    const queue = new Queue(lane, { connection, prefix: keys.lanePrefix(lane) });
    try {
      const item = rig.gateway.openItem(packet!, 'from-the-future');
      const misfits = [{ what: 'is this' }, { ...item, eventId: 2 ** 40 }, { ...item, packetId: '9'.repeat(19) }];
      const items = [item, ...misfits];
      for (const jobId of ['of-another-version', 'of-none']) await addOutstanding(rig.gateway.cache, lane, jobId, 1);
      await queue.add('items', { v: 2, replyTo: 'nobody', items }, { jobId: 'of-another-version' });
      await queue.add('items', 'no job at all', { jobId: 'of-none' });
    } finally {
      await queue.close();
      connection.disconnect();
    }
    await expect.poll(async () => (await lettersOf(event)).length, wait).toBe(1);
    const [letter] = await lettersOf(event);
    expect(letter!.error).toContain('malformed');
    expect((await rig.allocation.replay(letter!.id)).body.outcome).toMatchObject({ outcome: 'credited' });
    expect((await rig.gateway.open(event, packets[1]!, 'after-it'))?.outcome).toBe('credited');
  });
});
