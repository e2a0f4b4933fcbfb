import { describe, expect, it } from 'vitest';
import { packetIdOf } from '#libs/domain';
import type { Entry } from './chaos-log.ts';
import { Coverage, type Seen, situationsIn } from './coverage.ts';
import { planSharpRound, type SharpCase, sharpCases } from './sharp-cases.ts';

const startMs = 1_800_000_000_000;
const packet = (blockNo: number): string => String(packetIdOf({ poolId: 1, blockNo, index: 0 }));

function seen(name: SharpCase, entries: Entry[], counts: Record<string, number> = {}): Seen {
  const plan = planSharpRound(name, 1, 0);
  const owner = { packetId: packet(0), userId: 'bob' };
  const ledger = { grants: [owner] } as unknown as Seen['ledger'];
  return { plan, startMs, entries, counts: new Map(Object.entries(counts)), ledger };
}

const open = (userId: string, blockNo: number, fromMs: number, toMs: number, gateway = 0): Entry => ({
  what: 'open',
  userId,
  gateway,
  sentAtMs: startMs + fromMs,
  atMs: startMs + toMs,
  packetId: packet(blockNo),
  epoch: 1,
  expiresAtMs: undefined,
  hasReceipt: false,
  said: { kind: 'credited', packetId: packet(blockNo), amountFen: 1 },
});

/** Proves that each sharp case can tell a round in which its situation came about from one in which it did not. */
describe('the coverage of the sharp cases', () => {
  const anyTime = 60_000;
  const everywhere = [0, 1].flatMap((gateway) => open('ann', 0, 0, anyTime, gateway));
  const yes: Record<SharpCase, Seen> = {
    'consumer-killed': seen('consumer-killed', [], { 'jobs active at a kill': 3 }),
    'two-consumers': seen('two-consumers', [], { 'jobs active at a stop': 3 }),
    'gateway-stopped-accept': seen('gateway-stopped-accept', everywhere),
    'gateway-stopped-issue': seen('gateway-stopped-issue', [
      { ...open('ann', 0, 0, 1), what: 'hit', epoch: 2, sponsorId: 'A', expiresAtMs: 0 } as Entry,
    ]),
    'stale-replica': seen(
      'stale-replica',
      Array.from({ length: 600 }, (_, step) => open('ann', 0, 0, step * 10)),
      { 'blocks listed at a copy': 3 },
    ),
    'database-away': seen('database-away', [], { 'open pending': 1 }),
    'settle-backlog': seen('settle-backlog', [], { 'settle too early': 1 }),
    'many-lanes': seen(
      'many-lanes',
      Array.from({ length: 8 }, (_, blockNo) => open('ann', blockNo, 0, 10)),
    ),
    'reclaimed-share': seen('reclaimed-share', [
      { ...open('cat', 0, 0, 1), what: 'grab', ownerId: 'ann', said: { kind: 'expired' } } as Entry,
    ]),
  };

  it.each(sharpCases)('%s', (name) => {
    expect(situationsIn(name, yes[name])).toBeGreaterThan(0);
    expect(situationsIn(name, seen(name, []))).toBe(0);
  });

  it('names the cases that never came about', () => {
    const coverage = new Coverage();
    coverage.add(yes['many-lanes']);
    coverage.add(seen('database-away', []));
    expect(coverage.add(seen('many-lanes', []))).toMatch(/^0 opens/);
    expect(coverage.missed()).toEqual(['database-away']);
    expect(coverage.lines()).toHaveLength(2);
    expect(coverage.lines()[0]).toMatch(/^many-lanes: 2 rounds, 7 .* in 1 of them$/);
  });
});
