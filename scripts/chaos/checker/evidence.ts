import type { Reconciliation } from '#libs/contracts';
import type { Entry, GrabEntry, HitEntry, OpenEntry } from '../chaos-log.ts';
import type { GrantRow, Ledger } from '../ledger.ts';

/** All that the verdict on a round rests on: what the clients were told, and what the books say. */
export interface Evidence {
  readonly entries: readonly Entry[];
  readonly ledger: Ledger;
  /** Reconciliation reports, and when each was taken. */
  readonly reports: readonly { readonly when: string; readonly report: Reconciliation }[];
  /** Redis forgot what it had acknowledged: emptied, or replaced by an older copy. */
  readonly isStoreLost: boolean;
  /** From when on the store may have been another one than the stock was laid on; undefined: never. */
  readonly storeReplacedFromMs: number | undefined;
  /** When it was known that the event is settled; undefined: never. */
  readonly settledAtMs: number | undefined;
  /** Shakes arrived a second time, and the answers to those went nowhere. */
  readonly isMirrored: boolean;
  /** Jobs that the queue gave up. */
  readonly failedJobs: number;
  /** What the SDK or a process did that no fault explains, and what did not come to its end in time. */
  readonly defects: readonly string[];
}

export interface Violation {
  /** Number of the broken invariant; 0: the REST contract. */
  readonly invariant: number;
  /** One of `ruleNames`. */
  readonly rule: RuleName;
  readonly text: string;
  readonly packets: readonly string[];
}

/** Every rule and the invariant that it guards. */
export const rules = {
  'credited-missing': 6,
  'amount-differs': 1,
  'two-owners': 1,
  'other-packet': 7,
  'two-outcomes': 7,
  'two-denials': 7,
  'pending-unsettled': 6,
  'receipt-not-honoured': 6,
  'put-off-without-reason': 7,
  'false-limit': 4,
  'false-gone': 4,
  'expired-too-early': 4,
  'denied-but-booked': 6,
  'booked-untold': 6,
  'booked-unasked': 1,
  'accepted-after-expiry': 3,
  'issued-twice': 2,
  'reissued-early': 3,
  'reissued-although-granted': 3,
  'issued-late': 3,
  'ticket-life': 0,
  'outside-window': 0,
  'grab-missing': 6,
  'grab-amount-differs': 1,
  'grab-two-outcomes': 7,
  'grab-portion-twice': 1,
  'grab-twice': 7,
  'grab-unsettled': 6,
  'grab-false-empty': 7,
  'grab-false-expired': 6,
  'grab-lost': 6,
  'grab-untold': 6,
  'grab-of-lapsed-share': 3,
  'over-limit': 5,
  'sponsor-twice': 5,
  'pool-sums': 8,
  'not-settled': 8,
  'report-unbalanced': 8,
  'wallet-differs': 8,
  'block-open': 3,
  'dead-letter': 9,
  'job-failed': 9,
  'odd-answer': 0,
  defect: 0,
} as const;
export type RuleName = keyof typeof rules;
export const ruleNames = Object.keys(rules) as RuleName[];

export function violation(rule: RuleName, text: string, ...packets: string[]): Violation {
  return { invariant: rules[rule], rule, text, packets };
}

/**
 * A process's idea of the store's time is off by up to half a round trip (StoreClock), and an answer takes its time: nearer to an
 * instant than this, both sides of it are right.
 */
export const clockMarginMs = 300;

export const isOpen = (entry: Entry): entry is OpenEntry => entry.what === 'open' || entry.what === 'status';
export const isHit = (entry: Entry): entry is HitEntry => entry.what === 'hit';
export const isGrab = (entry: Entry): entry is GrabEntry => entry.what === 'grab';

export function groupBy<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

export function grantsByPacket(ledger: Pick<Ledger, 'grants'>): Map<string, GrantRow> {
  return new Map(ledger.grants.map((grant) => [grant.packetId, grant]));
}

/** The different ones, in the order in which they first come. */
export function distinct<T>(list: readonly T[]): T[] {
  return [...new Set(list)];
}
