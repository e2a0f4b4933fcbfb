import type { AuditStep, EventRecord, PoolRecord, Violation } from '#libs/database';
import type { EventState } from '#libs/domain';
import { PoolProof } from './pool-proof.ts';
import type { PoolFinding, PoolSums } from './report.ts';

/** Violations of the audit that are named, over all rules; the rest is counted. */
const violationsNamedMax = 200;

interface PoolBook {
  readonly proof: PoolProof | undefined;
  readonly sums: { -readonly [Field in keyof PoolSums]: PoolSums[Field] };
}

/** A violation in a report and in the log. */
export function violationText({ rule, subject, detail }: Violation): string {
  return `${rule}: ${subject}: ${detail}`;
}

/** What the steps of an event's audit say together: the sums of its pools beside what is unclaimed by derivation (invariant 8). */
export class EventProof {
  private readonly pools = new Map<number, PoolBook>();
  private readonly named: string[] = [];
  private unnamedCount = 0;
  /** As the audit found it. */
  state: EventState;

  /** Without a secret, that of a draft, nothing is derived. */
  constructor(
    private readonly event: EventRecord,
    private readonly secret: Buffer | undefined,
  ) {
    this.state = event.state;
  }

  /** In the order in which the audit gives them. */
  take(step: AuditStep): void {
    for (const violation of step.violations) this.note(violationText(violation));
    if (step.step === 'pools') this.open(step);
    else if (step.step === 'grants') this.addGrants(this.pools.get(step.pool.poolId)!, step.page);
    else if (step.step === 'grabs') this.addGrabs(this.pools.get(step.pool.poolId)!, step.page);
  }

  get findings(): readonly PoolFinding[] {
    return [...this.pools.values()].map(({ sums, proof }) => ({ sums, derivedUnclaimedFen: proof?.unclaimedFen }));
  }

  /** Amounts that are not as derived: all that the steps' own violations do not say. */
  get derivedViolations(): readonly string[] {
    return [...this.pools.values()].flatMap(({ proof }) => proof?.violations ?? []);
  }

  get violations(): readonly string[] {
    const rest = this.unnamedCount === 0 ? [] : [`${this.unnamedCount} more violations of the audit`];
    return [...this.derivedViolations, ...this.named, ...rest];
  }

  private open({ state, pools }: Extract<AuditStep, { step: 'pools' }>): void {
    this.state = state;
    for (const pool of pools) {
      const { poolId, budgetFen, shareBudgetFen, fundedFen, refundedFen, stockedPackets } = pool;
      const booked = { grantedFen: 0, grabbedFen: 0, grantedPackets: 0, grabbedPortions: 0 };
      const sums = { poolId, budgetFen, shareBudgetFen, fundedFen, refundedFen, stockedPackets, ...booked };
      const proof = this.secret && new PoolProof(this.secret, this.planOf(poolId));
      this.pools.set(poolId, { sums, proof });
    }
  }

  private planOf(poolId: number): PoolRecord {
    return this.event.pools.find((pool) => pool.poolId === poolId)!;
  }

  private addGrants({ sums, proof }: PoolBook, page: Extract<AuditStep, { step: 'grants' }>['page']): void {
    sums.grantedFen += page.fen;
    sums.grantedPackets += page.grants;
    proof?.addGrants(page);
  }

  private addGrabs({ sums, proof }: PoolBook, page: Extract<AuditStep, { step: 'grabs' }>['page']): void {
    sums.grabbedFen += page.fen;
    sums.grabbedPortions += page.grabs;
    proof?.addGrabs(page);
  }

  private note(violation: string): void {
    if (this.named.length < violationsNamedMax) this.named.push(violation);
    else this.unnamedCount += 1;
  }
}
