// Each signal asks for rising tiers at rising values, and lets go with a distance.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Tier, tierMax } from '#libs/domain';
import { controlTiming, reasonOfChange, signalKeys, signalOf, tierAsked, tierAskedBy, tierHeld } from './signals.ts';

describe('signals', () => {
  it.each(signalKeys)('%s asks for something, at values that rise with the tier, and says why', (key) => {
    const { asks, reason, title } = signalOf(key);
    const values = Object.entries(asks)
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, value]) => value);
    expect(values.length).toBeGreaterThan(0);
    expect(values.every((value, at) => value > 0 && (at === 0 || value > values[at - 1]!))).toBe(true);
    expect([reason, title]).not.toContain('');
  });

  it('there is one for the lanes, the database, Redis and the gateways', () => {
    for (const key of [
      'open_lane_age',
      'open_lane_depth',
      'grab_lane_age',
      'database_time',
      'redis_time',
      'loop_delay',
      'shake_loop_delay',
      'local_level',
      'overloaded',
      'opens_refused',
    ] as const)
      expect(signalKeys).toContain(key);
  });

  it('no lane that a tier slows down asks for that tier', () => {
    // grabs are deferred from tier 3 on: a tier that feeds itself would never end
    expect(Math.max(...Object.keys(signalOf('grab_lane_age').asks).map(Number))).toBeLessThan(3);
  });

  it.each(signalKeys)('%s asks for more the larger it is, and never lets go of what it asks for', (key) => {
    const value = fc.integer({ min: 0, max: 100_000 });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        expect(tierAskedBy(key, less)).toBeLessThanOrEqual(tierAskedBy(key, more));
        expect(tierHeld({ [key]: a }, tierMax)).toBeGreaterThanOrEqual(tierAskedBy(key, a));
      }),
    );
  });

  it('the highest counts', () => {
    expect(tierAsked({})).toBe(0);
    expect(tierAsked({ open_lane_age: 2000, database_time: 1500, loop_delay: 399 })).toBe(2);
    expect(tierAsked({ opens_refused: 100 })).toBe(5);
  });

  it('what is not known asks for nothing, and lets go of nothing that it could have asked for', () => {
    const allButDatabase = Object.fromEntries(
      signalKeys.filter((key) => key !== 'database_time').map((key) => [key, 0]),
    );
    const held = ([5, 4, 3, 2, 1, 0] as Tier[]).map((tier) => tierHeld(allButDatabase, tier));
    expect(held).toEqual([3, 3, 3, 2, 1, 0]);
  });

  it('a change is explained by the signals that asked for it', () => {
    const readings = { open_lane_age: 8200.4, database_time: 600 };
    expect(reasonOfChange(readings, 0, 3)).toBe(
      'how far the slowest lane of opens is behind: 8200 ms (tier 3 from 8000)',
    );
    expect(reasonOfChange(readings, 4, 3)).toBe('the signals have let go of tier 4');
  });

  it('the way back from the highest tier takes less than a minute', () => {
    const { fallAfterMs, fallGapMs } = controlTiming;
    expect(fallAfterMs + fallGapMs * tierMax).toBeLessThan(60_000);
  });
});
