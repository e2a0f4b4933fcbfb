import { describe, expect, it } from 'vitest';
import { lastIssueMs, lastOpenMs, settleAtMs, sharesEndMs } from './settle-time.ts';

const event = {
  endsAtMs: 100_000,
  sharesEndAtMs: 200_000,
  closedAtMs: 100_000,
  ticketTtlMs: 5000,
  graceMs: 1000,
  pools: [
    { sharePortions: 0, blockLifeMs: 10_000 },
    { sharePortions: 3, blockLifeMs: 4000 },
  ],
};
const withoutShares = { ...event, pools: event.pools.slice(0, 1) };
const stocked = { leadMs: 2000, issueUntilMs: undefined };

describe('when an event may be settled', () => {
  it('waits for the tickets that were issued last, and for the shares if it has any', () => {
    expect(settleAtMs(withoutShares, stocked)).toBe(100_000 + 5000 + 1000);
    expect(settleAtMs(event, stocked)).toBe(200_000 + 1000);
    expect(sharesEndMs(withoutShares)).toBeUndefined();
  });

  it('waits for blocks in the hands of gateways that have not heard of an early close, but never past the end', () => {
    expect(lastIssueMs({ ...event, closedAtMs: 50_000 }, stocked)).toBe(62_000);
    expect(lastOpenMs({ ...event, closedAtMs: 50_000 }, stocked)).toBe(67_000);
    expect(lastIssueMs({ ...event, closedAtMs: 95_000 }, stocked)).toBe(100_000);
    expect(lastIssueMs({ ...event, closedAtMs: undefined }, stocked)).toBe(100_000);
  });

  it('waits for what was stocked while an early close was on its way into the ledger', () => {
    const early = { ...event, closedAtMs: 50_000 };
    expect(lastIssueMs(early, { ...stocked, issueUntilMs: 75_000 })).toBe(75_000);
    expect(lastOpenMs(early, { ...stocked, issueUntilMs: 75_000 })).toBe(80_000);
    expect(lastIssueMs(early, { ...stocked, issueUntilMs: 55_000 })).toBe(62_000);
    expect(lastIssueMs(early, { ...stocked, issueUntilMs: 120_000 })).toBe(100_000);
  });
});
