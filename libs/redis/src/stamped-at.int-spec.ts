import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keys } from './keys.ts';
import type { RedisClient } from './redis-client.ts';
import { readStore, resetStock } from './stock.ts';
import { startTestStore, type TestStore } from './testing.ts';

describe('the store', () => {
  let store: TestStore;
  let client: RedisClient;

  beforeAll(async () => {
    store = await startTestStore();
    client = store.client;
  });
  afterAll(() => store.stop());
  beforeEach(async () => {
    await client.flushall();
    expect(await resetStock(client, await readStore(client))).toMatchObject({ status: 'ok' });
  });

  it('knows since when it is stamped, by its own clock', async () => {
    // Proves that the time is that of the stamp: known with it alone, not that of a later reset that found it done.
    const { runId, storeMs: beforeMs } = await readStore(client);
    await client.flushall();
    expect((await readStore(client)).stampedAtMs).toBeUndefined();
    await resetStock(client, { runId });
    const { stampedAtMs, storeMs } = await readStore(client);
    expect(stampedAtMs).toBeGreaterThanOrEqual(beforeMs);
    expect(stampedAtMs).toBeLessThanOrEqual(storeMs);
    await client.set(keys.stampedAt, storeMs - 5000);
    await resetStock(client, { runId });
    expect((await readStore(client)).stampedAtMs).toBe(storeMs - 5000);
    await client.set(keys.stamp, 'another-server');
    expect((await readStore(client)).stampedAtMs).toBeUndefined();
    await resetStock(client, { runId });
    expect((await readStore(client)).stampedAtMs).toBeGreaterThanOrEqual(storeMs);
  });

  it.each([
    ['missing', () => client.del(keys.stampedAt)],
    ['garbled', () => client.set(keys.stampedAt, 'nan')],
    ['before all time', () => client.set(keys.stampedAt, '-inf')],
    ['still to come', () => client.set(keys.stampedAt, Date.now() + 3_600_000)],
  ])('takes itself for stamped when it is first asked if the time of the stamp is %s', async (_, spoil) => {
    // Proves that nobody takes a stamp for older than it is, and that who waits for its age does not wait for ever.
    const { storeMs } = await readStore(client);
    await spoil();
    const first = await readStore(client);
    expect(first.stampedAtMs).toBe(first.storeMs);
    expect(first.stampedAtMs).toBeGreaterThanOrEqual(storeMs);
    expect((await readStore(client)).stampedAtMs).toBe(first.stampedAtMs);
  });
});
