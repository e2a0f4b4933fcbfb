import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventSnapshot } from '#libs/contracts';
import { createLogger } from '#libs/runtime';
import { testEvent } from '../testing/test-event.ts';
import { EventBook } from './event-book.ts';

let read: () => Promise<readonly EventSnapshot[]>;
let book: EventBook;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
  book = new EventBook({ read: () => read() }, createLogger('test', 'silent'));
});
afterEach(() => {
  vi.useRealTimers();
});

const poll = async (...events: EventSnapshot[]): Promise<void> => {
  read = async () => events;
  await book.poll();
};

describe('the event book', () => {
  it('says that it knows nothing until it was read once', async () => {
    read = async () => {
      throw new Error('away');
    };
    await book.poll();
    expect([book.isLoaded, [...book.list()]]).toEqual([false, []]);
    await poll();
    expect(book.isLoaded).toBe(true);
  });

  it('finds events by number and by the text of an address, and keeps the object of one that did not change', async () => {
    const event = testEvent();
    await poll(event);
    const known = book.find(1);
    expect(known?.snapshot).toBe(event);
    expect(book.findByText('1')).toBe(known);
    expect(book.findByText('01')).toBeUndefined();
    await poll(event, testEvent({ id: 2 }));
    expect(book.find(1)).toBe(known);
    await poll({ ...event, state: 'closed' });
    expect(book.find(1)?.snapshot.state).toBe('closed');
  });

  it('keeps what it knew while the store is away, and for a minute when the store came back empty', async () => {
    await poll(testEvent());
    read = async () => {
      throw new Error('away');
    };
    await book.poll();
    expect(book.find(1)).toBeDefined();
    await poll();
    vi.setSystemTime(1_059_999);
    await poll();
    expect(book.find(1)).toBeDefined();
    vi.setSystemTime(1_060_000);
    await poll();
    expect(book.find(1)).toBeUndefined();
    expect(book.findByText('1')).toBeUndefined();
  });
});
