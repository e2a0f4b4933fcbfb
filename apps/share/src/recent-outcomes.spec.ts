// Final outcomes are found again by share and user; what is not final is not kept, and memory is bounded.
import { expect, it } from 'vitest';
import type { GrabOutcome } from '#libs/contracts';
import type { Claim } from '#libs/domain';
import { isFinal, RecentOutcomes } from './recent-outcomes.ts';

const claimOf = (packetId: bigint, ownerId: string, epoch = 0): Claim => ({
  kind: 'share',
  eventId: 1,
  packetId,
  epoch,
  sponsorNo: 0,
  atMs: 0,
  userId: ownerId,
});

it('finds an outcome by packet, owner and user', () => {
  const outcomes = new RecentOutcomes(10);
  outcomes.set(claimOf(1n, 'owner'), 'friend', { outcome: 'empty' });
  expect(outcomes.get(claimOf(1n, 'owner'), 'friend')).toEqual({ outcome: 'empty' });
  expect(outcomes.get(claimOf(1n, 'owner'), 'other')).toBeUndefined();
  expect(outcomes.get(claimOf(2n, 'owner'), 'friend')).toBeUndefined();
});

it('keeps the shares of two owners of one packet apart: it went from one to the other', () => {
  const outcomes = new RecentOutcomes(10);
  outcomes.set(claimOf(1n, 'lapsed'), 'friend', { outcome: 'taken' });
  expect(outcomes.get(claimOf(1n, 'winner'), 'friend')).toBeUndefined();
});

it('keeps two epochs of one packet and owner apart: what lapsed may be won again', () => {
  const outcomes = new RecentOutcomes(10);
  outcomes.set(claimOf(1n, 'owner', 0), 'friend', { outcome: 'expired' });
  expect(outcomes.get(claimOf(1n, 'owner', 1), 'friend')).toBeUndefined();
});

it('forgets the oldest when it is full', () => {
  const outcomes = new RecentOutcomes(2);
  for (const packetId of [1n, 2n, 3n]) outcomes.set(claimOf(packetId, 'owner'), 'friend', { outcome: 'empty' });
  expect([1n, 2n, 3n].map((id) => outcomes.get(claimOf(id, 'owner'), 'friend') !== undefined)).toEqual([
    false,
    true,
    true,
  ]);
});

it.each<[GrabOutcome['outcome'], boolean]>([
  ['credited', true],
  ['empty', true],
  ['taken', true],
  ['expired', true],
  ['no_grant_yet', false],
  ['dead', false],
])('%s is final: %s', (outcome, final) => {
  expect(isFinal({ outcome, amountFen: 1, portion: 1 } as GrabOutcome)).toBe(final);
});
