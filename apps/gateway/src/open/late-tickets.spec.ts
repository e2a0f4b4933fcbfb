import { describe, expect, it } from 'vitest';
import type { Claim } from '#libs/domain';
import { gatewayEventOf } from '../events/gateway-event.ts';
import { testEvent } from '../testing/test-event.ts';
import { LateTickets } from './late-tickets.ts';

const acceptMaxMs = 300;
const expiresAtMs = 1_000_000;
const nowMs = expiresAtMs + 10_000;
const ticket: Claim = {
  kind: 'ticket',
  eventId: 1,
  packetId: 1n << 39n,
  epoch: 1,
  sponsorNo: 0,
  atMs: expiresAtMs,
  userId: 'alice',
};
const event = gatewayEventOf(testEvent());

interface TestStore {
  readonly oldestMs: number | undefined;
  readonly stamp: string | undefined;
}

/** The store that knew of an open that was accepted in time, and what came in its place. */
const knowing: TestStore = { oldestMs: expiresAtMs - 1, stamp: 'first' };
const empty: TestStore = { oldestMs: undefined, stamp: undefined };

/** The store is `after` from the question number `swapAt` on. */
function asked(before: TestStore, after: TestStore, swapAt: number): Promise<void> {
  let questions = 0;
  const store = (): TestStore => (questions++ < swapAt ? before : after);
  const late = new LateTickets({
    look: () => Promise.resolve({ nowMs, oldestMs: store().oldestMs }),
    readStamp: () => Promise.resolve(store().stamp),
    acceptMaxMs,
  });
  return late.whenQuiet(ticket, event, nowMs);
}

const notNow = { problem: { code: 'dependency_unavailable' } };

describe('whether an accepted open of a late ticket may be on its way', () => {
  // Proves the order of the questions: whoever read the stamp of the one store and the lane of the next would see neither the open nor the change.
  it.each([0, 1, 2])('is not denied when the store that knew is replaced before question %i', async (swapAt) => {
    await expect(asked(knowing, empty, swapAt)).rejects.toMatchObject(notNow);
  });

  it('is denied by a store that has the stock, and nothing of that time in the lane', async () => {
    await asked({ oldestMs: undefined, stamp: 'first' }, empty, 2);
    await asked({ oldestMs: expiresAtMs + 1, stamp: 'first' }, empty, 2);
  });

  it('is not denied while an acceptance of its last moment may not have reached the lane', async () => {
    const late = new LateTickets({
      look: () => Promise.resolve({ nowMs: expiresAtMs + acceptMaxMs - 1, oldestMs: undefined }),
      readStamp: () => Promise.resolve('first'),
      acceptMaxMs,
    });
    await expect(late.whenQuiet(ticket, event, nowMs)).rejects.toMatchObject(notNow);
  });

  it('is not known while the store is away', async () => {
    const late = new LateTickets({
      look: () => Promise.resolve({ nowMs, oldestMs: undefined }),
      readStamp: () => Promise.reject(new Error('away')),
      acceptMaxMs,
    });
    await expect(late.whenQuiet(ticket, event, nowMs)).rejects.toMatchObject({
      problem: { code: 'queue_unavailable' },
    });
  });
});
