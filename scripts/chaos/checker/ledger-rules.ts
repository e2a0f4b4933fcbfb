import type { Reconciliation } from '#libs/contracts';
import type { PoolBooks } from '../ledger.ts';
import { type Evidence, groupBy, type Violation, violation } from './evidence.ts';

/** The books against themselves and against the plan, after everything is settled. */
export function findLedgerViolations({ ledger, reports, failedJobs }: Evidence): Violation[] {
  const isSettled = ledger.state === 'settled';
  const openBlocks = isSettled ? ledger.blocks.filter(({ state }) => state !== 'closed') : [];
  return [
    ...findLimitViolations(ledger),
    ...(isSettled ? [] : [violation('not-settled', `the event is ${ledger.state} at the end`)]),
    ...ledger.pools.flatMap((pool) => findPoolViolations(pool, isSettled)),
    ...reports.flatMap(({ when, report }) => findReportViolations(when, report, isSettled && when === 'after settle')),
    ...ledger.wrongWallets.map((text) => violation('wallet-differs', text)),
    ...openBlocks.map(({ poolId, blockNo, state }) =>
      violation('block-open', `block ${blockNo} of pool ${poolId} is ${state} in a settled event`),
    ),
    ...ledger.deadLetters.map((text) => violation('dead-letter', text)),
    ...(failedJobs > 0 ? [violation('job-failed', `${failedJobs} jobs were failed by the queue`)] : []),
  ];
}

function findLimitViolations({ grants, perUserMax }: Evidence['ledger']): Violation[] {
  return [...groupBy(grants, ({ userId }) => userId)].flatMap(([userId, own]) => {
    const packets = own.map(({ packetId }) => packetId);
    const found: Violation[] = [];
    if (own.length > perUserMax)
      found.push(violation('over-limit', `${userId} has ${own.length} packets, over ${perUserMax}`, ...packets));
    const sponsors = new Set(own.map(({ sponsorId }) => sponsorId));
    if (sponsors.size < own.length)
      found.push(violation('sponsor-twice', `${userId} has two packets of one sponsor`, ...packets));
    return found;
  });
}

function findPoolViolations(pool: PoolBooks, isSettled: boolean): Violation[] {
  const { poolId, budgetFen, fundedFen, grantedFen, grabbedFen, refundedFen } = pool;
  const givenFen = grantedFen + grabbedFen + refundedFen;
  const isWhole = isSettled ? givenFen === budgetFen : givenFen <= budgetFen;
  if (fundedFen === budgetFen && isWhole) return [];
  const parts = `${grantedFen} granted + ${grabbedFen} grabbed + ${refundedFen} refunded`;
  return [violation('pool-sums', `pool ${poolId}: budget ${budgetFen}, funded ${fundedFen}, but ${parts} fen`)];
}

function findReportViolations(when: string, report: Reconciliation, isEnd: boolean): Violation[] {
  const { budgetFen, grantedFen, grabbedFen, refundedFen, unclaimedFen, balanced, violations } = report;
  const partsFen = grantedFen + grabbedFen + refundedFen + unclaimedFen;
  const faults = [
    ...violations,
    ...(balanced ? [] : ['it does not balance']),
    ...(partsFen === budgetFen ? [] : [`budget ${budgetFen} fen, parts ${partsFen} fen`]),
    ...(isEnd && unclaimedFen > 0 ? [`${unclaimedFen} fen are unclaimed`] : []),
  ];
  return faults.map((fault) => violation('report-unbalanced', `reconciliation ${when}: ${fault}`));
}
