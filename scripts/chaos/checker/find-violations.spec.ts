import { describe, expect, it } from 'vitest';
import type { Reconciliation } from '#libs/contracts';
import { packetIdOf } from '#libs/domain';
import type { Entry, GrabEntry, GrabSaid, HitEntry, OpenEntry, OpenSaid } from '../chaos-log.ts';
import type { GrabRow, GrantRow } from '../ledger.ts';
import { type Evidence, type RuleName, ruleNames, rules } from './evidence.ts';
import { findViolations } from './find-violations.ts';

/*
 * A night with nothing wrong: ann opens packet P of sponsor A after a lost answer and shares it with bob; cat is denied packet Q by the
 * sponsor limit, since she has R; dan never opens S, which comes back and goes to eve. Then it is spoiled in one way after the other.
 */
const startMs = 1_800_000_000_000;
const ttlMs = 1000;
const packet = (index: number, poolId = 1): string => String(packetIdOf({ poolId, blockNo: 0, index }));
const [p, q, r, s] = [packet(0), packet(1), packet(2), packet(0, 2)] as const;

const said = {
  credited: (packetId: string, amountFen: number): OpenSaid => ({ kind: 'credited', packetId, amountFen }),
  pending: (packetId: string): OpenSaid => ({ kind: 'pending', packetId }),
  denied: (code: Extract<OpenSaid, { kind: 'denied' }>['code']): OpenSaid => ({ kind: 'denied', code }),
  lost: { kind: 'lost' } as const,
  putOff: { kind: 'refused', status: 503, code: 'dependency_unavailable', retryAfterMs: 30_000 } as const,
};

function hit(userId: string, packetId: string, afterMs: number, rest: Partial<HitEntry> = {}): HitEntry {
  const atMs = startMs + afterMs;
  const sponsorId = packetId === s ? 'B' : 'A';
  const own = { userId, gateway: 0, sentAtMs: atMs - 5, atMs };
  return { what: 'hit', ...own, packetId, epoch: 1, sponsorId, expiresAtMs: atMs + ttlMs, ...rest };
}

function lostShake(userId: string, afterMs: number): Entry {
  const sentAtMs = startMs + afterMs;
  return { what: 'lost_shake', userId, gateway: 0, sentAtMs, atMs: sentAtMs + 1500 };
}

function open(
  userId: string,
  packetId: string,
  afterMs: number,
  answer: OpenSaid,
  rest: Partial<OpenEntry> = {},
): OpenEntry {
  const atMs = startMs + afterMs;
  const own = { userId, gateway: 0, sentAtMs: atMs - 10, atMs };
  return { what: 'open', ...own, packetId, epoch: 1, expiresAtMs: undefined, hasReceipt: false, said: answer, ...rest };
}

/** Dan asks again for the ticket that he let expire. */
const lateOpen = (afterMs: number, answer: OpenSaid, rest: Partial<OpenEntry> = {}): OpenEntry =>
  open('dan', s, afterMs, answer, { expiresAtMs: startMs + 1100, ...rest });

function grab(userId: string, afterMs: number, answer: GrabSaid, rest: Partial<GrabEntry> = {}): GrabEntry {
  const atMs = startMs + afterMs;
  const own = { userId, gateway: 1, sentAtMs: atMs - 10, atMs };
  return { what: 'grab', ...own, packetId: p, epoch: 1, ownerId: 'ann', said: answer, ...rest };
}

const grant = (userId: string, packetId: string, amountFen: number, afterMs: number, epoch = 1): GrantRow => ({
  packetId,
  userId,
  sponsorId: packetId === s ? 'B' : 'A',
  amountFen,
  epoch,
  acceptedAtMs: startMs + afterMs,
  grantedAtMs: startMs + afterMs + 20,
});

const report: Reconciliation = {
  balanced: true,
  budgetFen: 1000,
  grantedFen: 280,
  grabbedFen: 7,
  refundedFen: 713,
  unclaimedFen: 0,
  packets: { planned: 4, stocked: 4, issued: 5, granted: 3 },
  pools: [],
  violations: [],
  asOf: new Date(startMs).toISOString(),
};

/** Fields of the clean night that a spoiled one replaces. */
type Spoil = {
  entries?: (entries: Entry[]) => Entry[];
  ledger?: Partial<Evidence['ledger']>;
} & Partial<Omit<Evidence, 'entries' | 'ledger'>>;

const cleanEntries = (): Entry[] => [
  hit('ann', p, 100),
  open('ann', p, 200, said.lost),
  open('ann', p, 300, said.pending(p)),
  open('ann', p, 400, said.credited(p, 100), { what: 'status', hasReceipt: true }),
  open('ann', p, 500, said.credited(p, 100)),
  hit('cat', r, 150),
  open('cat', r, 250, said.credited(r, 80)),
  hit('cat', q, 200),
  open('cat', q, 350, said.denied('sponsor_limit_reached')),
  open('cat', q, 2350, said.denied('sponsor_limit_reached')),
  hit('dan', s, 100),
  open('dan', s, 2600, said.denied('ticket_expired'), { expiresAtMs: startMs + 1100 }),
  hit('eve', s, 3000, { epoch: 2 }),
  open('eve', s, 3100, said.credited(s, 100), { epoch: 2 }),
  grab('bob', 600, { kind: 'pending' }),
  grab('bob', 700, { kind: 'credited', portion: 1, amountFen: 7 }),
  grab('eve', 900, { kind: 'empty' }),
  grab('eve', 6500, { kind: 'expired' }),
];

const cleanLedger: Evidence['ledger'] = {
  state: 'settled',
  perUserMax: 2,
  ticketTtlMs: ttlMs,
  startsAtMs: startMs,
  endsAtMs: startMs + 5000,
  closedAtMs: startMs + 5000,
  sharesEndMs: startMs + 6000,
  pools: [
    {
      poolId: 1,
      sponsorId: 'A',
      sharePortions: 1,
      budgetFen: 500,
      fundedFen: 500,
      grantedFen: 180,
      grabbedFen: 7,
      refundedFen: 313,
    },
    {
      poolId: 2,
      sponsorId: 'B',
      sharePortions: 1,
      budgetFen: 500,
      fundedFen: 500,
      grantedFen: 100,
      grabbedFen: 0,
      refundedFen: 400,
    },
  ],
  blocks: [
    { poolId: 1, blockNo: 0, epoch: 1, state: 'closed', issueUntilMs: startMs + 700 },
    { poolId: 2, blockNo: 0, epoch: 2, state: 'closed', issueUntilMs: startMs + 4000 },
  ],
  grants: [grant('ann', p, 100, 290), grant('cat', r, 80, 240), grant('eve', s, 100, 3090, 2)],
  grabs: [{ packetId: p, portion: 1, userId: 'bob', amountFen: 7 }],
  deadLetters: [],
  wrongWallets: [],
};

function nightWith({ entries = (all) => all, ledger = {}, ...rest }: Spoil = {}): Evidence {
  return {
    entries: entries(cleanEntries()),
    ledger: { ...cleanLedger, ...ledger },
    reports: [{ when: 'after settle', report }],
    isStoreLost: false,
    storeReplacedFromMs: undefined,
    settledAtMs: startMs + 8000,
    isMirrored: false,
    failedJobs: 0,
    defects: [],
    ...rest,
  };
}

const add = (...more: Entry[]): Spoil => ({ entries: (all) => [...all, ...more] });
const grantsWith = (...more: GrantRow[]): Spoil => ({ ledger: { grants: [...cleanLedger.grants, ...more] } });
const grabsWith = (...more: GrabRow[]): Spoil => ({ ledger: { grabs: [...cleanLedger.grabs, ...more] } });
const without = (entries: Entry[], userId: string): Entry[] => entries.filter((one) => one.userId !== userId);

/** For each rule, nights that break it; what else they break is none of its business. */
const spoils: Readonly<Record<RuleName, readonly Spoil[]>> = {
  'credited-missing': [
    { ledger: { grants: cleanLedger.grants.slice(1) } },
    add(open('fay', q, 400, said.credited(q, 5))),
  ],
  'amount-differs': [
    { ledger: { grants: [grant('ann', p, 99, 290), ...cleanLedger.grants.slice(1)] } },
    add(open('ann', p, 800, said.credited(p, 101))),
  ],
  'two-owners': [add(open('fay', p, 800, said.credited(p, 100)))],
  'other-packet': [add(open('ann', p, 800, said.credited(r, 80))), add(open('ann', p, 800, said.pending(q)))],
  'two-outcomes': [
    add(open('ann', p, 2800, said.denied('ticket_expired'))),
    add(open('cat', r, 800, said.denied('limit_reached'))),
    add(
      hit('eve', s, 200),
      open('eve', s, 1800, said.denied('ticket_expired')),
      open('eve', s, 3500, said.credited(s, 100)),
    ),
  ],
  'two-denials': [add(open('cat', q, 2800, said.denied('ticket_expired')))],
  'pending-unsettled': [add(hit('fay', q, 3000), open('fay', q, 3100, said.pending(q)))],
  'receipt-not-honoured': [
    add(open('dan', s, 1000, said.pending(s))),
    add(open('fay', r, 400, said.pending(r)), open('fay', r, 3000, said.denied('packet_gone'))),
  ],
  'put-off-without-reason': [
    // nothing happened to the store, or not yet
    add(lateOpen(1800, said.putOff)),
    { ...add(lateOpen(1800, said.putOff)), storeReplacedFromMs: startMs + 2000 },
    // the ticket is valid, as it says itself or as it was won
    { ...add(lateOpen(700, said.putOff)), storeReplacedFromMs: startMs + 500 },
    { ...add(open('dan', s, 700, said.putOff)), storeReplacedFromMs: startMs + 500 },
    // there is a receipt
    { ...add(lateOpen(1800, said.putOff, { hasReceipt: true })), storeReplacedFromMs: startMs + 500 },
    { ...add(lateOpen(1800, said.putOff, { what: 'status' })), storeReplacedFromMs: startMs + 500 },
    // the event is settled
    { ...add(lateOpen(8500, said.putOff)), storeReplacedFromMs: startMs + 500 },
  ],
  'false-limit': [
    add(open('dan', s, 1000, said.denied('limit_reached'))),
    add(open('dan', s, 1000, said.denied('sponsor_limit_reached'))),
  ],
  'false-gone': [
    add(open('cat', q, 2000, said.denied('packet_gone'))),
    add(open('ann', p, 2000, said.denied('packet_gone'))),
  ],
  'expired-too-early': [
    add(hit('fay', q, 3000), open('fay', q, 3100, said.denied('ticket_expired'), { expiresAtMs: startMs + 4000 })),
  ],
  'denied-but-booked': [add(open('ann', p, 2800, said.denied('limit_reached')))],
  'booked-untold': [{ entries: (all) => [...without(all, 'eve'), open('eve', s, 3100, said.lost, { epoch: 2 })] }],
  'booked-unasked': [grantsWith(grant('fay', q, 5, 500))],
  'accepted-after-expiry': [{ ledger: { grants: [grant('ann', p, 100, 1500), ...cleanLedger.grants.slice(1)] } }],
  'issued-twice': [add(hit('fay', p, 120)), add(hit('ann', p, 120))],
  'reissued-early': [add(hit('fay', q, 700, { epoch: 2 }))],
  'reissued-although-granted': [add(hit('fay', p, 3000, { epoch: 2 }))],
  'issued-late': [add(hit('fay', packet(9), 1200))],
  'ticket-life': [
    add(hit('fay', packet(9), 300, { expiresAtMs: startMs + 60_000 })),
    add(hit('fay', packet(9), 300, { expiresAtMs: startMs + 300 })),
    add(lostShake('fay', 400), hit('fay', packet(9), 350, { expiresAtMs: startMs + 600 })),
  ],
  'outside-window': [
    add(hit('fay', packet(9, 2), 5500, { epoch: 3 })),
    add({ what: 'over', userId: 'fay', gateway: 0, sentAtMs: startMs + 1000, atMs: startMs + 1001 }),
    add({ what: 'not_started', userId: 'fay', gateway: 0, sentAtMs: startMs + 1000, atMs: startMs + 1001 }),
  ],
  'grab-missing': [{ ledger: { grabs: [] } }],
  'grab-amount-differs': [
    { ledger: { grabs: [{ ...cleanLedger.grabs[0]!, amountFen: 8 }] } },
    add(grab('bob', 1000, { kind: 'credited', portion: 2, amountFen: 7 })),
  ],
  'grab-two-outcomes': [
    add(grab('bob', 1000, { kind: 'empty' })),
    add(grab('bob', 7000, { kind: 'expired' })),
    add(grab('eve', 1000, { kind: 'credited', portion: 1, amountFen: 7 })),
    add(grab('eve', 1000, { kind: 'expired' })),
  ],
  'grab-portion-twice': [add(grab('fay', 1000, { kind: 'credited', portion: 1, amountFen: 7 }))],
  'grab-twice': [grabsWith({ packetId: p, portion: 2, userId: 'bob', amountFen: 7 })],
  'grab-unsettled': [add(grab('fay', 1000, { kind: 'pending' }))],
  'grab-false-empty': [add(grab('fay', 3500, { kind: 'empty' }, { packetId: s, epoch: 2, ownerId: 'eve' }))],
  'grab-false-expired': [add(grab('fay', 3500, { kind: 'expired' }, { packetId: s, epoch: 2, ownerId: 'eve' }))],
  'grab-lost': [
    add(
      grab('fay', 3600, { kind: 'pending' }, { packetId: s, epoch: 2, ownerId: 'eve' }),
      grab('fay', 6600, { kind: 'expired' }, { packetId: s, epoch: 2, ownerId: 'eve' }),
    ),
  ],
  'grab-untold': [grabsWith({ packetId: s, portion: 1, userId: 'fay', amountFen: 7 })],
  'grab-of-lapsed-share': [
    {
      entries: (all) => [
        ...all,
        grab('fay', 3500, { kind: 'credited', portion: 1, amountFen: 7 }, { packetId: s, epoch: 1, ownerId: 'dan' }),
      ],
      ledger: { grabs: [...cleanLedger.grabs, { packetId: s, portion: 1, userId: 'fay', amountFen: 7 }] },
    },
  ],
  'over-limit': [grantsWith(grant('ann', packet(7), 1, 300), grant('ann', packet(8), 1, 300))],
  'sponsor-twice': [grantsWith(grant('ann', packet(7), 1, 300))],
  'pool-sums': [
    { ledger: { pools: [{ ...cleanLedger.pools[0]!, refundedFen: 312 }] } },
    { ledger: { pools: [{ ...cleanLedger.pools[0]!, fundedFen: 501 }] } },
    { ledger: { state: 'closed', pools: [{ ...cleanLedger.pools[0]!, refundedFen: 314 }] } },
  ],
  'not-settled': [{ ledger: { state: 'closed' } }],
  'report-unbalanced': [
    { reports: [{ when: 'in the middle', report: { ...report, balanced: false } }] },
    { reports: [{ when: 'in the middle', report: { ...report, grantedFen: 281 } }] },
    { reports: [{ when: 'in the middle', report: { ...report, violations: ['a packet too many'] } }] },
    { reports: [{ when: 'after settle', report: { ...report, refundedFen: 712, unclaimedFen: 1 } }] },
  ],
  'wallet-differs': [{ ledger: { wrongWallets: ['ann holds 99 fen, its transfers make 100'] } }],
  'block-open': [{ ledger: { blocks: [{ ...cleanLedger.blocks[0]!, state: 'retired' }] } }],
  'dead-letter': [{ ledger: { deadLetters: ['open of packet 1 by ann: no such pool'] } }],
  'job-failed': [{ failedJobs: 1 }],
  'odd-answer': [
    add(open('ann', p, 800, { kind: 'odd', status: 500, text: 'internal' })),
    add({
      what: 'other',
      userId: 'ann',
      gateway: 0,
      sentAtMs: startMs,
      atMs: startMs,
      route: 'GET /v1/events/1',
      said: { kind: 'odd', status: 502, text: '' },
    }),
  ],
  defect: [{ defects: ['share ended by itself (SIGSEGV)'] }],
};

const brokenRules = (spoil: Spoil): RuleName[] => findViolations(nightWith(spoil)).map(({ rule }) => rule);

describe('the checker', () => {
  it('finds nothing wrong with a night that went well', () => {
    expect(findViolations(nightWith())).toEqual([]);
  });

  it.each(ruleNames)('notices a broken %s', (rule) => {
    expect(spoils[rule].length).toBeGreaterThan(0);
    for (const spoil of spoils[rule]) expect(brokenRules(spoil)).toContain(rule);
  });

  it('names the invariant and the packets', () => {
    const [found] = findViolations(nightWith({ ledger: { grants: cleanLedger.grants.slice(1) } }));
    expect(found).toMatchObject({ rule: 'credited-missing', invariant: rules['credited-missing'], packets: [p] });
  });
});

describe('what is no violation', () => {
  it.each<[string, Spoil]>([
    [
      'a packet that lapsed and was won by the same user again: the old ticket says expired, then and later',
      {
        entries: (all) => [
          ...without(all, 'dan'),
          hit('eve', s, 200),
          open('eve', s, 1800, said.denied('ticket_expired')),
          open('eve', s, 3500, said.denied('ticket_expired')),
        ],
      },
    ],
    ['the same ticket given again for a repeated shake', add(hit('ann', p, 100))],
    [
      'the same ticket given again a good while later, after the end of its block',
      add(hit('ann', p, 1080, { expiresAtMs: startMs + 1100 })),
    ],
    [
      'a ticket whose first answer was lost',
      add(lostShake('fay', 350), hit('fay', packet(9), 1080, { expiresAtMs: startMs + 1355 })),
    ],
    [
      'a ticket that was won by a request whose answer goes nowhere',
      { ...add(hit('fay', packet(9), 1080, { expiresAtMs: startMs + 1355 })), isMirrored: true },
    ],
    [
      'refusals that the catalogue documents',
      add(open('ann', p, 800, { kind: 'refused', status: 503, code: 'overloaded' })),
    ],
    [
      'a grab that was accepted before its owner was granted the packet, and not asked for again',
      add(
        grab('fay', 3050, { kind: 'pending' }, { packetId: s, epoch: 2, ownerId: 'eve' }),
        grab('fay', 6600, { kind: 'expired' }, { packetId: s, epoch: 2, ownerId: 'eve' }),
      ),
    ],
    [
      'a grab that a store forgot which lost what it had acknowledged',
      {
        ...add(
          grab('fay', 3600, { kind: 'pending' }, { packetId: s, epoch: 2, ownerId: 'eve' }),
          grab('fay', 6600, { kind: 'expired' }, { packetId: s, epoch: 2, ownerId: 'eve' }),
        ),
        isStoreLost: true,
      },
    ],
    [
      'a late open that is put off from when the store was replaced until the event is settled',
      { ...add(lateOpen(1800, said.putOff), lateOpen(7990, said.putOff)), storeReplacedFromMs: startMs + 500 },
    ],
    [
      'one whose answer was on its way when the event was settled',
      { ...add(lateOpen(8500, said.putOff, { sentAtMs: startMs + 7900 })), storeReplacedFromMs: startMs + 500 },
    ],
    [
      'an open that an outage or an overload holds up',
      add(
        open('ann', p, 150, { ...said.putOff, retryAfterMs: 1000 }),
        open('ann', p, 160, { ...said.putOff, code: 'overloaded' }),
      ),
    ],
    [
      'a share of a packet that went to somebody else',
      add(grab('bob', 3500, { kind: 'expired' }, { packetId: s, ownerId: 'dan' })),
    ],
    [
      'money that is unclaimed in the middle',
      { reports: [{ when: 'in the middle', report: { ...report, refundedFen: 0, unclaimedFen: 713 } }] },
    ],
  ])('%s', (_, spoil) => {
    expect(brokenRules(spoil)).toEqual([]);
  });
});
