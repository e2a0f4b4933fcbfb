import { Counter, Gauge, Histogram, type Registry } from '#libs/runtime';

/** The figures of this service; each name begins with `hongbao_`. */
export interface AllocationMetrics {
  readonly outcomes: Counter<'kind' | 'outcome'>;
  readonly settleSeconds: Histogram<'kind'>;
  readonly settleItems: Histogram<'kind'>;
  readonly settleRepeats: Counter<'kind' | 'reason'>;
  readonly deadLetters: Counter<'kind'>;
  readonly grabsDeferred: Gauge;
  readonly blocks: Counter<'change'>;
  readonly isStocker: Gauge;
  readonly stockFailures: Counter<'step'>;
  readonly storeChanges: Counter;
  readonly storeRecoverySeconds: Gauge;
  readonly isLedgerChecker: Gauge;
  readonly ledgerBalanced: Gauge<'event'>;
  readonly ledgerProvenAt: Gauge<'event'>;
  readonly ledgerViolations: Gauge<'event'>;
  readonly ledgerCheckSeconds: Counter;
  readonly ledgerCheckFailures: Counter;
}

export function createAllocationMetrics(registry: Registry): AllocationMetrics {
  const registers = [registry];
  return {
    ...ledgerMetrics(registers),
    outcomes: new Counter({
      name: 'hongbao_settle_outcomes_total',
      help: 'Items settled, by what became of them (repeats count again); not_outstanding: settled before, or never accepted.',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    settleSeconds: new Histogram({
      name: 'hongbao_settle_call_seconds',
      help: 'Time of one settlement call that succeeded.',
      labelNames: ['kind'],
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
      registers,
    }),
    settleItems: new Histogram({
      name: 'hongbao_settle_call_items',
      help: 'Items in one settlement call.',
      labelNames: ['kind'],
      buckets: [1, 4, 16, 64, 128, 256, 512, 1024],
      registers,
    }),
    settleRepeats: new Counter({
      name: 'hongbao_settle_repeats_total',
      help: 'Settlement calls repeated because the database was away or in conflict, or the look at what is outstanding was too old (stale).',
      labelNames: ['kind', 'reason'],
      registers,
    }),
    deadLetters: new Counter({
      name: 'hongbao_dead_letters_total',
      help: 'Items set aside as dead letters.',
      labelNames: ['kind'],
      registers,
    }),
    grabsDeferred: new Gauge({
      name: 'hongbao_grabs_deferred',
      help: '1 while the grab lanes are slowed down by the tier.',
      registers,
    }),
    blocks: new Counter({
      name: 'hongbao_blocks_total',
      help: 'Blocks that were stocked, restocked, pushed, reclaimed or retired.',
      labelNames: ['change'],
      registers,
    }),
    isStocker: new Gauge({
      name: 'hongbao_is_stocker',
      help: '1 in the one process that stocks blocks.',
      registers,
    }),
    stockFailures: new Counter({
      name: 'hongbao_stock_failures_total',
      help: 'Steps of the stocker that failed and are tried again.',
      labelNames: ['step'],
      registers,
    }),
    storeChanges: new Counter({
      name: 'hongbao_store_changes_total',
      help: 'Times that Redis came back as another server or without its stamp.',
      registers,
    }),
    storeRecoverySeconds: new Gauge({
      name: 'hongbao_store_recovery_seconds',
      help: 'After the last change of the store: from the last sign of the old one until blocks were in stock again.',
      registers,
    }),
  };
}

/** Label `event`: an event's id, or `wallets` for what is proven of all wallets together. Only the process that checks has these. */
function ledgerMetrics(registers: Registry[]) {
  return {
    isLedgerChecker: new Gauge({
      name: 'hongbao_is_ledger_checker',
      help: '1 in the one process that proves the ledger all the time.',
      registers,
    }),
    ledgerBalanced: new Gauge({
      name: 'hongbao_ledger_balanced',
      help: '1 while everything looked at adds up; 0 from the first violation until a full proof finds none.',
      labelNames: ['event'],
      registers,
    }),
    ledgerProvenAt: new Gauge({
      name: 'hongbao_ledger_proven_timestamp_seconds',
      help: 'When a full proof last found nothing wrong; before the first one, since when one is wanted.',
      labelNames: ['event'],
      registers,
    }),
    ledgerViolations: new Gauge({
      name: 'hongbao_ledger_violations',
      help: 'Violations found since the last full proof that found none (one that is found again counts again).',
      labelNames: ['event'],
      registers,
    }),
    ledgerCheckSeconds: new Counter({
      name: 'hongbao_ledger_check_seconds_total',
      help: 'Time in which the check of the ledger was at work.',
      registers,
    }),
    ledgerCheckFailures: new Counter({
      name: 'hongbao_ledger_check_failures_total',
      help: 'Times that the check of the ledger could not go on and began again.',
      registers,
    }),
  };
}
