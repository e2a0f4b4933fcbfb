import { expect, test } from 'vitest';
import { recoveryOf } from './recovery.ts';
import type { Winner } from './shakers.ts';

const winner = (blockNo: number, wonAtMs: number, creditedAtMs?: number): Winner => {
  const credited = creditedAtMs === undefined ? {} : { creditedAtMs };
  return { userName: 'u', packetId: BigInt(blockNo), poolId: 1, blockNo, wonAtMs, ...credited };
};
const isFresh = (block: string): boolean => block === '1/9';
const before = [winner(1, 900, 950)];

test('winners flow again with the first one from a block that was stocked after the loss', () => {
  // one from a block in hand, then a pause, then fresh ones
  const winners = [...before, winner(2, 1100, 1900), winner(9, 2100, 2400), winner(9, 2200, 2300)];
  expect(recoveryOf({ winners, lostAtMs: 1000, isFresh })).toEqual({
    firstWinnerMs: 1100,
    firstCreditedMs: 1300,
    anyCreditedMs: 900,
    longestPauseMs: 1000,
    creditedFresh: 2,
  });
});

test('there is no recovery before a fresh winner is credited, whoever else was', () => {
  expect(recoveryOf({ winners: before, lostAtMs: 1000, isFresh })).toBeUndefined();
  const winners = [...before, winner(2, 1100, 1200), winner(9, 1300)];
  expect(recoveryOf({ winners, lostAtMs: 1000, isFresh })).toBeUndefined();
});

test('who won before the loss and is credited after it counts as credited, and not as a winner', () => {
  const winners = [winner(1, 900, 1050), winner(9, 1500, 1600)];
  expect(recoveryOf({ winners, lostAtMs: 1000, isFresh })).toMatchObject({
    firstWinnerMs: 500,
    anyCreditedMs: 50,
    longestPauseMs: 500,
  });
});
