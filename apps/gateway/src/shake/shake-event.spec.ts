import { beforeEach, describe, expect, it } from 'vitest';
import { ShakeLab, testSession } from '../testing/shake-lab.ts';
import { poolIdOf, testBlock, testEvent } from '../testing/test-event.ts';
import { periodOf } from './shake-rate.ts';

const startsAtMs = 1_800_000_000_000;
const base = testEvent({ startsAtMs, shakeIntervalMs: 1000 });
const [first, second, third] = base.pools as [(typeof base.pools)[0], (typeof base.pools)[0], (typeof base.pools)[0]];
/** The second wave, with the third pool, begins a minute after the first. */
const event = {
  ...base,
  waves: [...base.waves, { no: 1, startsAtMs: startsAtMs + 60_000, durationMs: 60_000 }],
  pools: [first, { ...second, blockSize: 2 }, { ...third, waveNo: 1 }],
};

describe('what a gateway tells and asks of the stock', () => {
  let lab: ShakeLab;
  beforeEach(async () => {
    lab = await ShakeLab.of(startsAtMs, event);
  });

  const shakeMany = (count: number): void => {
    for (let i = 0; i < count; i++) lab.shake(testSession(`user-${i}`));
    lab.pass(500);
  };
  const visits = () => lab.events.visits(lab.nowMs, periodOf(lab.nowMs) - 1);

  it('is nothing while nobody shakes', () => {
    expect(visits()).toEqual([]);
    shakeMany(1);
    expect(visits().map(({ poolId }) => poolId)).toEqual([first.poolId, second.poolId]);
    lab.pass(13_000);
    expect(visits()).toEqual([]);
  });

  it('is of the waves that begin soon, with the shakes of the ended period', () => {
    shakeMany(7);
    expect(visits()).toEqual([first, second].map(({ poolId }) => ({ poolId, shakes: 7, left: 0, wanted: undefined })));
    lab.pass(50_000);
    shakeMany(1);
    expect(visits().map(({ poolId }) => poolId)).toEqual([first.poolId, second.poolId, third.poolId]);
  });

  it('asks for the likely need of a second, no more, when the demand is known', () => {
    lab.stock(testBlock(first.poolId, { issueUntilMs: startsAtMs + 600_000, size: 1 }));
    for (let at = 0; at < 4; at++) shakeMany(200);
    // of plenty, 400 shakes a second may win 400 packets
    const [one, other] = visits();
    expect(one!.wanted!.indexesMax).toBeGreaterThan(200);
    expect(one!.wanted!.indexesMax).toBeLessThan(500);
    expect(other!.wanted).toBeUndefined();
  });

  it('is nothing before the start and after the end', async () => {
    const ended = await ShakeLab.of(event.endsAtMs - 100, event);
    ended.shake(testSession('alice'));
    ended.pass(100);
    expect(ended.events.visits(ended.nowMs, 0)).toEqual([]);
    expect(ended.events.visits(startsAtMs - 1, 0)).toEqual([]);
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
