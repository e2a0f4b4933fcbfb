// The holder keeps the newest document it ever heard of, by push or poll, whatever the source does, and falls back by its clock.
import { afterEach, describe, expect, it } from 'vitest';
import type { DegradationState } from '#libs/contracts';
import { DegradationHolder, type DegradationSource } from './holder.ts';
import { initialState, withFeature, withTier } from './state.ts';

/** Asks until it holds, for as long as a busy machine may need. */
const eventually = <T>(ask: () => T) => expect.poll(ask, { timeout: 15_000, interval: 1 });

/** A source in this process: what is stored, who listens, whether it answers. */
class LocalSource implements DegradationSource {
  stored: DegradationState | undefined;
  isAway = false;
  reads = 0;
  readonly listeners = new Set<(state: DegradationState) => void>();

  async read(): Promise<DegradationState | undefined> {
    this.reads += 1;
    if (this.isAway) throw new Error('away');
    return this.stored;
  }

  subscribe(onState: (state: DegradationState) => void): () => void {
    this.listeners.add(onState);
    return () => this.listeners.delete(onState);
  }

  push(state: DegradationState): void {
    for (const listener of this.listeners) listener(state);
  }
}

const pinnedAt = (tier: 0 | 1 | 2 | 3 | 4 | 5, base = initialState()) => withTier(base, { mode: 'pinned', tier }, 1);
const started: DegradationHolder[] = [];
async function startHolder(source: LocalSource, options: { nowMs?: () => number; pollIntervalMs?: number } = {}) {
  const health: boolean[] = [];
  const holder = new DegradationHolder({ source, ...options, onSource: ({ isReachable }) => health.push(isReachable) });
  started.push(holder);
  await holder.start();
  return { holder, health };
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((holder) => holder.stop()));
});

describe('degradation holder', () => {
  it('serves everything before it has heard of a document', async () => {
    const { holder } = await startHolder(new LocalSource());
    expect(holder.tier()).toBe(0);
    expect(Object.values(holder.flags()).every((flag) => flag === 'on')).toBe(true);
  });

  it('has the stored document when it has started', async () => {
    const source = new LocalSource();
    source.stored = pinnedAt(1);
    const { holder } = await startHolder(source);
    expect([holder.tier(), holder.isOn('feed'), holder.modeOf('wallet')]).toEqual([1, false, 'full']);
  });

  it('takes a push at once', async () => {
    const source = new LocalSource();
    const { holder } = await startHolder(source);
    source.push(pinnedAt(4));
    expect([holder.tier(), holder.modeOf('shakes'), holder.pollAfterMs(1000)]).toEqual([4, 'paced', 3000]);
  });

  it('finds by polling what no push told it', async () => {
    const source = new LocalSource();
    const { holder } = await startHolder(source, { pollIntervalMs: 5 });
    source.stored = pinnedAt(2);
    await eventually(() => holder.tier()).toBe(2);
  });

  it('keeps the newest: an older push or a stale store changes nothing', async () => {
    const source = new LocalSource();
    const { holder } = await startHolder(source, { pollIntervalMs: 5 });
    const first = pinnedAt(5);
    source.push(pinnedAt(3, first));
    source.push(first);
    source.stored = first;
    const { reads } = source;
    await eventually(() => source.reads).toBeGreaterThan(reads + 1);
    expect(holder.tier()).toBe(3);
  });

  it('keeps the last known document while the source is away, says so once, and goes on afterwards', async () => {
    const source = new LocalSource();
    source.stored = pinnedAt(3);
    const { holder, health } = await startHolder(source, { pollIntervalMs: 5 });
    source.isAway = true;
    await eventually(() => health).toEqual([false]);
    expect(holder.tier()).toBe(3);
    source.stored = pinnedAt(0, source.stored);
    source.isAway = false;
    await eventually(() => holder.tier()).toBe(0);
    expect(health).toEqual([false, true]);
  });

  it('starts while the source is away', async () => {
    const source = new LocalSource();
    source.isAway = true;
    const { holder } = await startHolder(source);
    expect(holder.tier()).toBe(0);
    source.push(pinnedAt(1));
    expect(holder.tier()).toBe(1);
  });

  it('falls back by its own clock when an end time passes', async () => {
    const source = new LocalSource();
    let nowMs = 1000;
    const { holder } = await startHolder(source, { nowMs: () => nowMs });
    const pinned = withTier(initialState(), { mode: 'pinned', tier: 5, untilMs: 2000 }, nowMs);
    source.push(withFeature(pinned, 'opens', { state: 'off', untilMs: 3000 }, nowMs));
    const seen = [1999, 2000, 3000].map((atMs) => {
      nowMs = atMs;
      return [holder.tier(), holder.isOn('opens')];
    });
    expect(seen).toEqual([
      [5, false],
      [0, false],
      [0, true],
    ]);
  });

  it('tells its listeners at once, at each change and at an end time, until they stop', async () => {
    const source = new LocalSource();
    let nowMs = 1000;
    const { holder } = await startHolder(source, { nowMs: () => nowMs, pollIntervalMs: 5 });
    const tiers: number[] = [];
    const stop = holder.onChange(({ tier }) => tiers.push(tier));
    source.push(withTier(initialState(), { mode: 'pinned', tier: 2, untilMs: 2000 }, nowMs));
    nowMs = 2000;
    await eventually(() => tiers).toEqual([0, 2, 0]);
    stop();
    source.push(pinnedAt(1, holder.state()));
    expect([tiers.length, holder.tier()]).toEqual([3, 1]);
  });

  it('listens to nobody any more when it was stopped, and still answers', async () => {
    const source = new LocalSource();
    const { holder } = await startHolder(source);
    source.push(pinnedAt(2));
    await holder.stop();
    expect([source.listeners.size, holder.tier()]).toEqual([0, 2]);
  });
});
