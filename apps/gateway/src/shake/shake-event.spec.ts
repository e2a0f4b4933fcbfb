import { beforeEach, describe, expect, it } from 'vitest';
import { ShakeLab, testSession } from '../testing/shake-lab.ts';
import { poolIdOf, testBlock, testEvent } from '../testing/test-event.ts';

const startsAtMs = 1_800_000_000_000;
const base = testEvent({ startsAtMs, shakeIntervalMs: 1000 });
const [first, second, third] = base.pools as [(typeof base.pools)[0], (typeof base.pools)[0], (typeof base.pools)[0]];
/** The second wave, with the third pool, begins a minute after the first. */
const event = {
  ...base,
  waves: [...base.waves, { no: 1, startsAtMs: startsAtMs + 60_000, durationMs: 60_000 }],
  pools: [first, { ...second, blockSize: 2 }, { ...third, waveNo: 1 }],
};

describe('the blocks that a gateway wants', () => {
  let lab: ShakeLab;
  beforeEach(async () => {
    lab = await ShakeLab.of(startsAtMs, event);
  });

  const shakeMany = (count: number): void => {
    for (let i = 0; i < count; i++) lab.shake(testSession(`user-${i}`));
    lab.pass(100);
  };
  const wanted = () => lab.events.wanted(lab.nowMs);

  it('are none while nobody shakes', () => {
    expect(wanted()).toEqual([]);
    shakeMany(1);
    expect(wanted()).toHaveLength(2);
    lab.pass(1100);
    expect(wanted()).toEqual([]);
  });

  it('are of the waves that begin soon, as many as the shakes of a second need, a few at a time', () => {
    shakeMany(1);
    expect(wanted()).toEqual([
      { poolId: first.poolId, blocksMax: 1 },
      { poolId: second.poolId, blocksMax: 1 },
    ]);
    lab.pass(50_000);
    shakeMany(2000);
    expect(wanted()).toEqual([
      { poolId: first.poolId, blocksMax: 4 },
      { poolId: second.poolId, blocksMax: 4 },
      { poolId: third.poolId, blocksMax: 4 },
    ]);
  });

  it('are none of a pool with enough in hand, and none that nobody here could win', () => {
    shakeMany(1);
    lab.stock(testBlock(first.poolId, { issueUntilMs: startsAtMs + 600_000, size: 1 }));
    expect(wanted().map(({ poolId }) => poolId)).toEqual([second.poolId]);
    const alice = testSession('alice');
    lab.pass(2000);
    const hit = lab.shakeOn(alice, 20);
    expect(hit).toMatchObject({ result: 'hit', sponsor: { id: 'sponsor-0' } });
    lab.pass(2000);
    lab.shake(alice);
    lab.pass(100);
    expect(wanted().map(({ poolId }) => poolId)).toEqual([second.poolId]);
  });

  it('are none before the start and after the end', async () => {
    const ended = await ShakeLab.of(event.endsAtMs - 100, event);
    ended.shake(testSession('alice'));
    ended.pass(100);
    expect(ended.events.wanted(ended.nowMs)).toEqual([]);
    expect(ended.events.wanted(startsAtMs - 1)).toEqual([]);
  });
});

describe('the events that are shaken', () => {
  it('follow the book: a new snapshot keeps the stock, an event that is gone loses it', async () => {
    const lab = await ShakeLab.of(startsAtMs, event);
    lab.stock(testBlock(poolIdOf(1, 0), { size: 8, issueUntilMs: startsAtMs + 60_000 }));
    lab.snapshots = [{ ...event, title: 'renamed' }];
    await lab.book.poll();
    lab.events.tick();
    const shaken = lab.events.find('1')!;
    expect([shaken.event.snapshot.title, shaken.stock.left]).toEqual(['renamed', 8]);
    expect(lab.events.find('2')).toBeUndefined();
    lab.snapshots = [...lab.snapshots, testEvent({ id: 2, startsAtMs })];
    await lab.book.poll();
    expect(lab.events.find('2')?.event.idText).toBe('2');
  });
});
