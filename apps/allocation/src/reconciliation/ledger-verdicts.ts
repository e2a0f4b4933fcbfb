import type { Logger } from '#libs/runtime';
import type { AllocationMetrics } from '../process/metrics.ts';

/** Violations of one finding that are logged; the reconciliation report names more. */
const violationsLoggedMax = 10;

/** Label of what is proven of all wallets together, beside the ids of events. */
export const allWallets = 'wallets';

/** An event's id, or `allWallets`. */
export type Subject = number | typeof allWallets;

interface Verdict {
  /** Wall-clock ms of the last full proof that found nothing wrong; before the first, of when the subject came in sight. */
  provenAtMs: number;
  /** Monotonic ms of the last violation, and since when a full proof must have begun to clear it. */
  violatedAt: number | undefined;
  violations: number;
}

export type VerdictDeps = {
  readonly logger: Logger;
  readonly metrics: Pick<AllocationMetrics, 'ledgerBalanced' | 'ledgerProvenAt' | 'ledgerViolations'>;
  readonly wallMs: () => number;
};

/**
 * What the continuous check knows of each event, as metrics and log lines. A violation stays until a full proof that began after it
 * was found finds nothing any more.
 */
export class LedgerVerdicts {
  private readonly verdicts = new Map<Subject, Verdict>();

  constructor(private readonly deps: VerdictDeps) {}

  /** From here on the subject has its metrics. */
  watch(subject: Subject): void {
    if (this.verdicts.has(subject)) return;
    const provenAtMs = this.deps.wallMs();
    this.enter(subject, { provenAtMs, violatedAt: undefined, violations: 0 });
  }

  /** Those not among these are settled or gone. */
  keepOnly(subjects: ReadonlySet<Subject>): void {
    for (const subject of this.verdicts.keys()) {
      if (!subjects.has(subject)) this.drop(subject);
    }
  }

  /** Nothing is known any more: another process checks now. */
  clear(): void {
    this.keepOnly(new Set());
  }

  /** What a look or a step of a proof found wrong; nothing is fine. */
  accuse(subject: Subject, violations: readonly string[]): void {
    const verdict = this.verdicts.get(subject);
    if (verdict === undefined || violations.length === 0) return;
    const { logger } = this.deps;
    const shown = violations.slice(0, violationsLoggedMax);
    logger.error({ subject, count: violations.length, violations: shown }, 'the ledger does not add up');
    this.enter(subject, {
      ...verdict,
      violatedAt: performance.now(),
      violations: verdict.violations + violations.length,
    });
  }

  /** A full proof that began at `startedAt` (monotonic) found nothing wrong. */
  acquit(subject: Subject, startedAt: number): void {
    const verdict = this.verdicts.get(subject);
    if (verdict === undefined || (verdict.violatedAt ?? startedAt) > startedAt) return;
    if (verdict.violatedAt !== undefined) this.deps.logger.info({ subject }, 'the ledger adds up again');
    this.enter(subject, { provenAtMs: this.deps.wallMs(), violatedAt: undefined, violations: 0 });
  }

  private enter(subject: Subject, verdict: Verdict): void {
    const { ledgerBalanced, ledgerProvenAt, ledgerViolations } = this.deps.metrics;
    const labels = { event: String(subject) };
    this.verdicts.set(subject, verdict);
    ledgerBalanced.set(labels, verdict.violatedAt === undefined ? 1 : 0);
    ledgerProvenAt.set(labels, verdict.provenAtMs / 1000);
    ledgerViolations.set(labels, verdict.violations);
  }

  private drop(subject: Subject): void {
    const { ledgerBalanced, ledgerProvenAt, ledgerViolations } = this.deps.metrics;
    const labels = { event: String(subject) };
    this.verdicts.delete(subject);
    for (const gauge of [ledgerBalanced, ledgerProvenAt, ledgerViolations]) gauge.remove(labels);
  }
}
