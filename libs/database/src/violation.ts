/** A fact of the ledger that must not be: the rule that it breaks, the row and what is wrong with it. */
export interface Violation {
  readonly rule: ViolationRule;
  readonly subject: string;
  readonly detail: string;
}

/** What an audit of an event checks, rows against rows and no counter; the operations in `sql/audit-*.sql.ts` say what each proves. */
export const violationRules = [
  'transfer_accounts',
  'transfer_event',
  'stray',
  'fund',
  'refund',
  'overdrawn',
  'grant_transfer',
  'grab_transfer',
  'wallet_balance',
  'per_user_max',
  'one_per_sponsor',
  'grant_plan',
  'grant_block',
  'grab_plan',
  'denied_grant',
  'denial_reason',
  'stocked_blocks',
  'settled_blocks',
] as const;
export type ViolationRule = (typeof violationRules)[number];
