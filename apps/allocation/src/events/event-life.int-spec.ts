// The life of an event through the internal REST, from a faulty plan to a settled, balanced ledger.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventSnapshotSchema, type OpsEvent, opsEventSchema, reconciliationSchema } from '#libs/contracts';
import { commitmentOf } from '#libs/domain';
import { keys } from '#libs/redis';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';

const wait = { timeout: 20_000, interval: 50 };
let rig: AllocationRig;
beforeAll(async () => {
  rig = await AllocationRig.create();
});
afterAll(async () => {
  await rig?.close();
});

const create = (plan: object) => rig.allocation.call<OpsEvent>('POST', '/events', plan);

describe('the door', () => {
  it('is closed to whoever has not the internal token', async () => {
    const paths = [
      '/events/1',
      '/events/1/reconciliation',
      '/packets/1?userId=u',
      '/users/u/wallet',
      '/users/u/packets',
    ];
    const posts = ['/events', '/events/1/arm', '/events/1/settle', '/dead-letters/1/replay'];
    const answers = await Promise.all([
      ...paths.map((path) => rig.allocation.call('GET', path, undefined, 'wrong')),
      ...posts.map((path) => rig.allocation.call('POST', path, {}, '')),
    ]);
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [401, 'unauthenticated']));
  });

  it('is ready once Redis was there', async () => {
    await expect.poll(async () => (await fetch(`${rig.allocation.url}/readyz`)).status, wait).toBe(200);
  });
});

describe('creating and arming', () => {
  it('names every fault of a plan that cannot be held, and keeps nothing of it', async () => {
    const plan = planOf({ sponsors: 2, pool: { budgetFen: 10_000_000 } });
    const { status, body } = await create({ ...plan, endsAt: plan.startsAt, sharesEndAt: plan.startsAt });
    expect([status, body.code]).toEqual([400, 'plan_invalid']);
    const faults = (body as unknown as { faults: string[] }).faults;
    expect(faults).toContain('endsAt: must be after startsAt');
    expect(faults.filter((fault) => fault.includes('budgetFen'))).toHaveLength(2);
  });

  it('refuses a body of another shape', async () => {
    const { status, body } = await create({ title: 'x' });
    expect([status, body.code]).toEqual([400, 'bad_request']);
  });

  it('arms once: again it answers the same event, whoever asks at the same instant', async () => {
    const { body } = await create(planOf({ startsInMs: 60_000 }));
    expect(opsEventSchema.parse(body).state).toBe('draft');
    const answers = await Promise.all([1, 2, 3].map(() => rig.allocation.act(body.id, 'arm')));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const commitments = new Set(answers.map((answer) => answer.body.secretCommitment));
    expect(commitments.size).toBe(1);
    expect((await rig.record(body.id)).openLaneCount).toBe(4);
    expect((await rig.allocation.reconcile(body.id)).budgetFen).toBe(3 * 6400);
  });

  it('refuses to arm an event whose end is past, one that is closed, and one that is not there', async () => {
    const past = await create(planOf({ startsInMs: -60_000, lastsMs: 30_000 }));
    expect((await rig.allocation.act(past.body.id, 'arm')).body.code).toBe('state_conflict');
    const { id } = await rig.arm(planOf({ startsInMs: 60_000 }));
    expect((await rig.allocation.act(String(id), 'close')).body.state).toBe('closed');
    expect((await rig.allocation.act(String(id), 'close')).body.state).toBe('closed');
    expect((await rig.allocation.act(String(id), 'arm')).body.code).toBe('state_conflict');
    expect((await rig.allocation.act('999999', 'arm')).body.code).toBe('event_unknown');
    expect((await rig.allocation.act('no-id', 'settle')).body.code).toBe('event_unknown');
  });

  it('does not close or settle a draft', async () => {
    const { body } = await create(planOf());
    expect((await rig.allocation.act(body.id, 'close')).body.code).toBe('state_conflict');
    expect((await rig.allocation.act(body.id, 'settle')).body.code).toBe('state_conflict');
    expect(await rig.allocation.reconcile(body.id)).toMatchObject({ balanced: true, budgetFen: 0 });
  });
});

describe('a life', () => {
  it('goes from armed to settled by itself and by command, and balances at every step', async () => {
    const event = await rig.arm(
      planOf({ lastsMs: 3000, sharesLastMs: 500, pool: { sharePortions: 3, shareBudgetFen: 640 } }),
    );
    const id = String(event.id);
    await expect.poll(async () => (await rig.allocation.event(id)).state, wait).toBe('live');
    const packets = await takeAll(event.id);
    expect(packets).toHaveLength(3 * 64);

    // as many users as packets of one sponsor, each with one packet of two sponsors
    const opened = packets.filter(({ sponsorNo }) => sponsorNo < 2);
    const users = new Map(opened.map((packet) => [packet, `user-${packet.blockNo}-${packet.index}`]));
    const outcomes = await Promise.all(opened.map((packet) => rig.gateway.open(event, packet, users.get(packet)!)));
    expect(outcomes.every((outcome) => outcome?.outcome === 'credited')).toBe(true);

    const shared = opened[0]!;
    const owner = users.get(shared)!;
    const grabs = await Promise.all(
      [owner, 'friend-1', 'friend-2', 'friend-3'].map((user) => rig.gateway.grab(event, shared, owner, user)),
    );
    expect(grabs.map((grab) => grab?.outcome).sort()).toEqual(['credited', 'credited', 'credited', 'empty']);

    const running = reconciliationSchema.parse(await rig.allocation.reconcile(id));
    expect(running).toMatchObject({ balanced: true, violations: [], budgetFen: 3 * (6400 + 640) });
    expect(running.packets).toMatchObject({ planned: 192, stocked: 192, granted: 128 });
    expect(running.refundedFen).toBe(0);
    expect(running.grantedFen + running.grabbedFen + running.unclaimedFen).toBe(running.budgetFen);

    await expect.poll(async () => (await rig.allocation.event(id)).state, wait).toBe('closed');
    await expect.poll(async () => (await rig.allocation.act(id, 'settle')).status, wait).toBe(200);

    const settled = opsEventSchema.parse((await rig.allocation.act(id, 'settle')).body);
    expect(settled.state).toBe('settled');
    const { canonicalPlan, secretCommitment } = await rig.record(id);
    expect(commitmentOf(Buffer.from(settled.secret!, 'hex'), canonicalPlan!)).toBe(secretCommitment);

    const final = await rig.allocation.reconcile(id);
    expect(final).toMatchObject({ balanced: true, violations: [], unclaimedFen: 0, budgetFen: running.budgetFen });
    expect(final.refundedFen).toBe(running.unclaimedFen);
    const snapshot = eventSnapshotSchema.parse((await rig.gateway.events.read()).find((one) => one.id === event.id));
    expect(snapshot).toMatchObject({ state: 'settled', secret: settled.secret });
    expect((await rig.gateway.open(event, packets.at(-1)!, 'latecomer'))?.outcome).toBe('expired');
  });

  it('stops the stock as soon as it is closed early, and can be settled once what was issued is past', async () => {
    const event = await rig.arm(
      planOf({ lastsMs: 60_000, pool: { packetCount: 6400, budgetFen: 640_000, releaseCurve: 'even' } }),
    );
    const id = String(event.id);
    await expect.poll(async () => (await rig.gateway.take(event)).length, wait).toBeGreaterThan(0);
    expect((await rig.allocation.act(id, 'close')).body.state).toBe('closed');
    const { pools } = await rig.allocation.event(id);
    const lengths = () => Promise.all(pools.map(({ poolId }) => rig.gateway.cache.llen(keys.stock(poolId))));
    await expect.poll(lengths, wait).toEqual([0, 0, 0]);
    await expect.poll(async () => (await rig.allocation.act(id, 'settle')).status, wait).toBe(200);
    expect((await rig.allocation.event(id)).pools).toEqual(pools);
    expect(await rig.allocation.reconcile(id)).toMatchObject({ balanced: true, grantedFen: 0, unclaimedFen: 0 });
  });

  it('is on the board again after Redis lost it', async () => {
    const { id } = await rig.arm(planOf({ startsInMs: 60_000 }));
    const isOnBoard = async () => (await rig.gateway.events.read()).some((event) => event.id === id);
    await expect.poll(isOnBoard, wait).toBe(true);
    await rig.gateway.cache.del('hb:events');
    await expect.poll(isOnBoard, wait).toBe(true);
  });
});

async function takeAll(eventId: number): Promise<Issued[]> {
  const event = await rig.record(eventId);
  const packets: Issued[] = [];
  const planned = event.pools.reduce((sum, pool) => sum + pool.packetCount, 0);
  await expect.poll(async () => packets.push(...(await rig.gateway.take(event))), wait).toBe(planned);
  return packets;
}
