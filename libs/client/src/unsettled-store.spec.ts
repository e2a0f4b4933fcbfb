import { describe, expect, it } from 'vitest';
import { UnsettledStore, type UnsettledTicket } from './unsettled-store.ts';

const won = (ticket: string, expiresAtMs: number): UnsettledTicket => ({
  ticket,
  stage: 'won',
  expiresAt: new Date(expiresAtMs).toISOString(),
});

describe('the store of unsettled tickets', () => {
  it('drops what was never sent and has expired, and never what may be booked', () => {
    const store = new UnsettledStore(10);
    store.put(won('late', 1000), 0);
    store.put({ ...won('sent', 1000), stage: 'opening' }, 0);
    store.put({ ...won('accepted', 1000), stage: 'pending', receipt: 'r' }, 0);
    store.dropExpired(2000);
    expect(store.list().map(({ ticket }) => ticket)).toEqual(['sent', 'accepted']);
  });

  it('is bounded: room is made among tickets that were never sent, else it refuses', () => {
    const store = new UnsettledStore(2);
    store.put(won('a', 9000), 0);
    store.put({ ...won('b', 9000), stage: 'opening' }, 0);
    store.put({ ...won('c', 9000), stage: 'opening' }, 0);
    expect(store.list().map(({ ticket }) => ticket)).toEqual(['b', 'c']);
    expect(() => store.put(won('d', 9000), 0)).toThrow('unsettled');
    store.put({ ...won('c', 9000), stage: 'pending', receipt: 'r' }, 0);
    expect(store.get('c')?.receipt).toBe('r');
  });

  it('tells every change, so that it can be kept over a restart', () => {
    const kept: number[] = [];
    const store = new UnsettledStore(2, (entries) => kept.push(entries.length));
    store.put(won('a', 9000), 0);
    store.remove('a');
    store.remove('a');
    expect(kept).toEqual([1, 0]);
  });
});
