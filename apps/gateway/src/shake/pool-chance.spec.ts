import { describe, expect, it } from 'vitest';
import { PoolChance } from './pool-chance.ts';

function tuned(figures: Parameters<PoolChance['tune']>[0]): PoolChance {
  const chance = new PoolChance();
  chance.tune(figures);
  return chance;
}

const spendAll = (chance: PoolChance): number => {
  let spent = 0;
  while (chance.spend()) spent += 1;
  return spent;
};

describe('the chance of a pool', () => {
  it('is what should go out over who could take it, whatever part of the shakes come here', () => {
    expect(tuned({ release: 50, demand: 1000, own: 1000 }).value).toBe(0.05);
    expect(tuned({ release: 50, demand: 1000, own: 3 }).value).toBe(0.05);
  });

  it('is 1 when fewer shake than there are packets, and 0 with nothing to go out or no knowledge of who shakes', () => {
    expect(tuned({ release: 50, demand: 20, own: 20 }).value).toBe(1);
    expect(tuned({ release: 50, demand: 0, own: 0 }).value).toBe(1);
    expect(tuned({ release: 0, demand: 0, own: 0 }).value).toBe(0);
    expect(tuned({ release: 50, demand: Number.POSITIVE_INFINITY, own: 20 }).value).toBe(0);
  });

  it('has a budget: a crowd out of nowhere cannot drain the pool before it was seen', () => {
    const chance = tuned({ release: 1000, demand: 10_000, own: 1000 });
    for (let tick = 0; tick < 100; tick++) chance.deal();
    // a second's even part, and a few
    expect(spendAll(chance)).toBe(108);
    chance.deal();
    expect(spendAll(chance)).toBe(20);
  });

  it('saves up what a slow pool may issue: its luck is not evened out', () => {
    const chance = tuned({ release: 0.2, demand: 1000, own: 10 });
    for (let tick = 0; tick < 100; tick++) chance.deal();
    expect(spendAll(chance)).toBe(8);
  });
});
