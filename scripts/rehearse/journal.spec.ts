import { beforeEach, describe, expect, it } from 'vitest';
import type { GrabOutcome, OpenOutcome, ShakeHit } from '#libs/client';
import { Journal } from './journal.ts';

const sponsor = { id: 'tea', name: 'Tea' };
const hit: ShakeHit = {
  result: 'hit',
  ticket: 'ticket',
  packetId: '5',
  sponsor,
  expiresAt: '2026-02-16T20:01:00Z',
  state: 's',
  nextShakeMs: 1000,
};
const credited = (amountFen: number, packetId = '5'): OpenOutcome => ({
  outcome: 'credited',
  packet: { status: 'credited', packetId, eventId: '7', sponsor, amountFen, share: { portions: 0 } },
});
const denied = (outcome: 'limit' | 'expired'): OpenOutcome => ({
  outcome,
  problem: { type: '', title: '', status: 409, code: 'limit_reached', detail: '' },
});
const unsettled: OpenOutcome = { outcome: 'unsettled', reason: 'spent', entry: { ticket: 'ticket', stage: 'opening' } };
const grab = { shareToken: 'share', packetId: '5', userId: 'bob', isAfterEnd: false };
const portion = (no: number, amountFen: number): GrabOutcome => ({ outcome: 'credited', portion: no, amountFen });

const nowMs = Date.parse('2026-02-16T20:00:00Z');

let journal: Journal;

beforeEach(() => {
  journal = new Journal();
  journal.hit('ann', hit, nowMs);
});

describe("the users' journal", () => {
  it('keeps one promise for a ticket however often it is opened with the same outcome', () => {
    for (const outcome of [credited(100), credited(100)]) journal.opened('ticket', outcome, nowMs);
    expect(journal.violations).toEqual([]);
    expect(journal.creditedOpens()).toEqual([{ userId: 'ann', packetId: '5', sponsorId: 'tea', amountFen: 100 }]);
  });

  it.each([
    ['another amount', credited(100), credited(101)],
    ['a denial after money', credited(100), denied('limit')],
    ['money after a denial', denied('expired'), credited(100)],
    ['another packet than was won', credited(100, '6'), credited(100, '6')],
  ])('calls out %s', (_what, first, second) => {
    journal.opened('ticket', first, nowMs);
    journal.opened('ticket', second, nowMs);
    expect(journal.violations.length).toBeGreaterThan(0);
  });

  it('lets one denial follow another: a refused ticket expires later', () => {
    journal.opened('ticket', denied('limit'), nowMs);
    journal.opened('ticket', denied('expired'), nowMs + 61_000);
    expect(journal.violations).toEqual([]);
    expect(journal.creditedOpens()).toEqual([]);
  });

  it('calls out a ticket that is refused as late before it expired (invariant 4)', () => {
    journal.opened('ticket', denied('expired'), nowMs + 58_000);
    expect(journal.violations).toHaveLength(1);
  });

  it('remembers what never got an outcome, unless another try did', () => {
    journal.opened('ticket', unsettled, nowMs);
    journal.grabbed(grab, { outcome: 'unsettled', reason: 'spent' });
    expect(journal.unsettled()).toHaveLength(2);
    journal.opened('ticket', credited(100), nowMs);
    journal.grabbed(grab, { outcome: 'empty' });
    expect(journal.unsettled()).toEqual([]);
  });

  it('knows what is to be asked for once the event is settled: what was put off, unless there is a receipt', () => {
    const putOff = { ...unsettled, reason: 'put_off' } as OpenOutcome;
    const withReceipt = { ...unsettled, entry: { ticket: 'ticket', stage: 'pending', receipt: 'r' } } as OpenOutcome;
    journal.opened('ticket', unsettled, nowMs);
    expect(journal.opensPutOff()).toEqual([]);
    journal.opened('ticket', putOff, nowMs);
    expect(journal.opensPutOff()).toEqual([{ userId: 'ann', ticket: 'ticket' }]);
    journal.hit('ann', { ...hit, ticket: 'other', packetId: '6' }, nowMs);
    for (const outcome of [putOff, withReceipt, putOff]) journal.opened('other', outcome, nowMs);
    expect(journal.opensPutOff()).toEqual([{ userId: 'ann', ticket: 'ticket' }]);
    journal.opened('ticket', denied('expired'), nowMs + 61_000);
    expect(journal.opensPutOff()).toEqual([]);
    expect(journal.unsettled()).toEqual(['open of packet 6 by ann has no outcome']);
  });

  it('calls out a ticket that was given to two users, not one that its user was given again', () => {
    journal.hit('ann', hit, nowMs);
    expect(journal.violations).toEqual([]);
    journal.hit('bob', hit, nowMs);
    expect(journal.violations).toEqual(['the ticket of packet 5 was given to two users']);
  });

  it('calls out a packet that is given again while its first ticket is valid (invariants 2 and 3)', () => {
    journal.hit('bob', { ...hit, ticket: 'next' }, nowMs + 61_000);
    expect(journal.violations).toEqual([]);
    journal.hit('cem', { ...hit, ticket: 'third' }, nowMs + 58_000);
    expect(journal.violations).toHaveLength(1);
  });

  it('holds grabs to their first answer, and lets a share expire', () => {
    journal.grabbed(grab, portion(2, 10));
    journal.grabbed(grab, portion(2, 10));
    const expired = { ...denied('expired'), outcome: 'expired' } as GrabOutcome;
    journal.grabbed({ ...grab, isAfterEnd: true }, expired);
    expect(journal.violations).toEqual([]);
    journal.grabbed(grab, portion(3, 10));
    journal.grabbed(grab, { outcome: 'empty' });
    expect(journal.violations).toHaveLength(2);
    expect(journal.creditedGrabs()).toEqual([{ userId: 'bob', packetId: '5', portion: 2, amountFen: 10 }]);
  });
});
