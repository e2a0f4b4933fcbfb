import { describe, expect, it } from 'vitest';
import type { Reconciliation } from '#libs/contracts';
import { findDoubles, findProofViolations, findUserViolations, type Promises } from './audit.ts';
import type { UserLedger } from './ledger.ts';

const rules = { eventId: '7', perUserMax: 2 };
const at = '2026-02-16T20:00:00Z';
const booked = (packetId: string, amountFen: number, sponsorId: string): UserLedger['packets'][number] => ({
  packetId,
  eventId: '7',
  sponsor: { id: sponsorId, name: sponsorId },
  amountFen,
  at,
});
const promises: Promises = {
  opens: [{ userId: 'ann', packetId: '5', sponsorId: 'tea', amountFen: 100 }],
  denials: [{ userId: 'ann', packetId: '6', told: 'expired' }],
  grabs: [{ userId: 'ann', packetId: '9', portion: 1, amountFen: 7 }],
};
const ledger: UserLedger = { userId: 'ann', packets: [booked('5', 100, 'tea')], balanceFen: 107 };
const proof: Reconciliation = {
  balanced: true,
  budgetFen: 1000,
  grantedFen: 100,
  grabbedFen: 7,
  refundedFen: 0,
  unclaimedFen: 893,
  packets: { planned: 10, stocked: 2, issued: 2, granted: 1 },
  pools: [],
  violations: [],
  asOf: at,
};

describe('the audit', () => {
  it('finds nothing where the books say what the user was told', () => {
    expect(findUserViolations(rules, promises, [ledger, { userId: 'bob', packets: [], balanceFen: 0 }])).toEqual([]);
    expect(findProofViolations('before', proof, promises)).toEqual([]);
    expect(findDoubles(promises)).toEqual([]);
  });

  it.each<[string, Partial<UserLedger>]>([
    ['an acknowledged packet that is missing', { packets: [], balanceFen: 7 }],
    ['another amount', { packets: [booked('5', 99, 'tea')] }],
    ['a packet nobody told of', { packets: [booked('5', 100, 'tea'), booked('6', 1, 'bank')], balanceFen: 108 }],
    ['a balance that is not the sum', { balanceFen: 106 }],
  ])('finds %s', (_what, change) => {
    expect(findUserViolations(rules, promises, [{ ...ledger, ...change }]).length).toBeGreaterThan(0);
  });

  it('says what the user was told of a packet that the books have', () => {
    const packets = [booked('5', 100, 'tea'), booked('6', 1, 'bank')];
    const violations = findUserViolations(rules, promises, [{ ...ledger, packets, balanceFen: 108 }]);
    expect(violations[0]).toBe('ann has packet 6 in the books, but was told expired');
  });

  it('finds users over their limits', () => {
    const two = [booked('5', 1, 'tea'), booked('6', 1, 'tea')];
    const three = [booked('5', 1, 'a'), booked('6', 1, 'b'), booked('7', 1, 'c')];
    const find = (packets: UserLedger['packets']): string =>
      findUserViolations(rules, { opens: [], denials: [], grabs: [] }, [{ ...ledger, packets }]).join('\n');
    expect(find(two)).toContain('two packets of one sponsor');
    expect(find(three)).toContain('over 2');
  });

  it('finds what was given to two users', () => {
    const twice: Promises = {
      denials: [],
      opens: [...promises.opens, { userId: 'bob', packetId: '5', sponsorId: 'tea', amountFen: 100 }],
      grabs: [...promises.grabs, { userId: 'bob', packetId: '9', portion: 1, amountFen: 7 }],
    };
    expect(findDoubles(twice)).toEqual(['packet 5 was credited twice', 'portion 1 of packet 9 was credited twice']);
  });

  it.each<[string, Partial<Reconciliation>]>([
    ['parts that do not make the budget', { unclaimedFen: 892 }],
    ['a proof that says it does not balance', { balanced: false }],
    ['a violation the system found itself', { violations: ['pool 3'] }],
    ['a grant that nobody was told of', { packets: { ...proof.packets, granted: 2 } }],
    ['grabbed money that nobody was told of', { grabbedFen: 8, unclaimedFen: 892 }],
  ])('finds %s', (_what, change) => {
    expect(findProofViolations('after', { ...proof, ...change }, promises).length).toBeGreaterThan(0);
  });
});
