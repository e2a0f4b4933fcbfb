import {
  auditAllWallets,
  auditEvent,
  type EventRecord,
  isDatabaseAway,
  loadEventSecret,
  loadEvents,
  onSnapshots,
  type Pool,
  type PrismaClient,
  readWatermarkMs,
} from '#libs/database';
import type { Logger } from '#libs/runtime';
import type { AllocationMetrics } from '../process/metrics.ts';
import { pause } from '../process/pause.ts';
import { EventProof, violationText } from './event-proof.ts';
import { lookAt } from './ledger-look.ts';
import { allWallets, LedgerVerdicts, type Subject } from './ledger-verdicts.ts';
import { reportOf } from './report.ts';

export interface LedgerPace {
  /** Between two looks at what was booked meanwhile. */
  readonly lookMs: number;
  /** Age of a full proof of an event, or of all wallets, at which the next one begins. */
  readonly proofMs: number;
  readonly allWalletsMs: number;
  /** Part of the time that one connection may be busy with it, in (0, 1]. */
  readonly busyShare: number;
}

export const ledgerPace: LedgerPace = { lookMs: 2000, proofMs: 180_000, allWalletsMs: 900_000, busyShare: 0.15 };

export interface LedgerWatchDeps {
  /** Of reports: a step takes a connection for some tens of milliseconds, and a report waits no longer than that. */
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly logger: Logger;
  readonly metrics: AllocationMetrics;
  /** True in one process of all at a time, but for moments. */
  readonly isOnDuty: () => boolean;
  readonly pace: LedgerPace;
}

/** How soon a process sees that it is on duty, and one that failed tries again. */
const dutyMs = 1000;
/** A look goes no further back than this: what is older is left to the full proof. Money's transactions take seconds. */
const lookBackMsMax = 300_000;

/**
 * Proves the ledger of all events that are armed, live or closed, all the time: a look at what was booked since the last one every
 * `lookMs`, and a full proof, as the report of reconciliation, in the time that is left of `busyShare`. Each step is one short statement on a
 * snapshot of its own, so nothing waits for it and no old row versions are kept for it (see `auditEvent` for why that still proves it).
 */
export class LedgerWatch {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly deps: LedgerWatchDeps) {}

  start(): void {
    this.running = this.run();
  }

  /** Ends after the step under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { metrics, isOnDuty } = this.deps;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      if (isOnDuty()) await this.serve();
      metrics.isLedgerChecker.set(0);
      await pause(dutyMs, signal);
    }
  }

  /** One term: what is known is forgotten at its end, since another process goes on. */
  private async serve(): Promise<void> {
    const { metrics, isOnDuty } = this.deps;
    const { signal } = this.stopping;
    const term = new LedgerTerm(this.deps, signal);
    metrics.isLedgerChecker.set(1);
    while (!signal.aborted && isOnDuty()) {
      try {
        await term.work();
      } catch (error) {
        this.tell(error);
        term.restart();
        await pause(dutyMs, signal);
      }
    }
    term.end();
  }

  private tell(error: unknown): void {
    const { logger, metrics } = this.deps;
    metrics.ledgerCheckFailures.inc();
    if (isDatabaseAway(error)) logger.warn({ err: error }, 'the check of the ledger waits for the database');
    else logger.error({ err: error }, 'the check of the ledger failed and begins again');
  }
}

type Proof = AsyncGenerator<readonly string[], void, undefined>;

/** A full proof under way. */
interface Sweep {
  readonly subject: Subject;
  readonly startedAt: number;
  readonly steps: Proof;
}

class LedgerTerm {
  private readonly verdicts: LedgerVerdicts;
  private readonly secrets = new Map<number, Buffer>();
  /** When the last full proof of a subject began, monotonic ms. */
  private readonly sweptAt = new Map<Subject, number>();
  private events: readonly EventRecord[] = [];
  private lookedAt = Number.NEGATIVE_INFINITY;
  /** Of the database's clock: what was booked before it has been looked at. */
  private watermarkMs: number | undefined;
  private sweep: Sweep | undefined;

  constructor(
    private readonly deps: LedgerWatchDeps,
    private readonly signal: AbortSignal,
  ) {
    this.verdicts = new LedgerVerdicts({ ...deps, wallMs: Date.now });
  }

  /** A look when one is due, else a step of a full proof, else some rest. @throws the database's error. */
  async work(): Promise<void> {
    const { lookMs } = this.deps.pace;
    const untilLookMs = this.lookedAt + lookMs - performance.now();
    if (untilLookMs <= 0) return await this.look();
    this.sweep ??= this.nextSweep();
    if (this.sweep === undefined) await pause(untilLookMs, this.signal);
    else await this.paced(() => this.proceed(this.sweep!));
  }

  /** After an error: nothing that was under way goes on, and the next look begins where the last whole one did. */
  restart(): void {
    this.sweep = undefined;
  }

  end(): void {
    this.verdicts.clear();
  }

  private async look(): Promise<void> {
    const { pool, prisma } = this.deps;
    const nextMs = await readWatermarkMs(pool);
    this.events = await loadEvents(prisma, { states: ['armed', 'live', 'closed'] });
    const sinceMs = Math.max(this.watermarkMs ?? nextMs, nextMs - lookBackMsMax);
    this.verdicts.keepOnly(new Set<Subject>([allWallets, ...this.events.map(({ id }) => id)]));
    this.verdicts.watch(allWallets);
    for (const event of this.events) {
      this.verdicts.watch(event.id);
      await this.lookAt(event, sinceMs);
    }
    this.watermarkMs = nextMs;
    // from its end on: a look that takes long leaves time for the proofs
    this.lookedAt = performance.now();
  }

  private async lookAt(event: EventRecord, sinceMs: number): Promise<void> {
    const secret = await this.secretOf(event.id);
    const steps = lookAt({ run: onSnapshots(this.deps.pool), event, secret, sinceMs });
    for (let isDone = false; !isDone && !this.signal.aborted; ) {
      await this.paced(async () => {
        const { done, value } = await steps.next();
        isDone = done === true;
        this.verdicts.accuse(event.id, value ?? []);
      });
    }
  }

  /** Whose last full proof is due for the longest time. */
  private nextSweep(): Sweep | undefined {
    const { proofMs, allWalletsMs } = this.deps.pace;
    const subjects: [Subject, number][] = [
      [allWallets, allWalletsMs],
      ...this.events.map(({ id }) => [id, proofMs] as [number, number]),
    ];
    const dueAt = ([subject, everyMs]: [Subject, number]) =>
      (this.sweptAt.get(subject) ?? Number.NEGATIVE_INFINITY) + everyMs;
    const first = subjects.reduce((a, b) => (dueAt(b) <= dueAt(a) ? b : a));
    const startedAt = performance.now();
    if (dueAt(first) > startedAt) return undefined;
    const [subject] = first;
    const event = this.events.find(({ id }) => id === subject);
    return { subject, startedAt, steps: event === undefined ? this.proveWallets() : this.prove(event) };
  }

  private async proceed({ subject, startedAt, steps }: Sweep): Promise<void> {
    const { done, value } = await steps.next();
    this.verdicts.accuse(subject, value ?? []);
    if (done !== true) return;
    this.sweep = undefined;
    this.sweptAt.set(subject, startedAt);
    // does nothing for one that was accused since
    this.verdicts.acquit(subject, startedAt);
  }

  /** As a report, but step by step: the equation comes at the end. */
  private async *prove(event: EventRecord): Proof {
    const proof = new EventProof(event, await this.secretOf(event.id));
    for await (const step of auditEvent(onSnapshots(this.deps.pool), event.id)) {
      proof.take(step);
      yield step.violations.map(violationText);
    }
    const whole = { ...event, state: proof.state };
    const findings = { event: whole, pools: proof.findings, violations: proof.derivedViolations };
    yield reportOf({ ...findings, issuedPackets: 0, asOfMs: 0 }).violations;
  }

  private async *proveWallets(): Proof {
    for await (const { violations } of auditAllWallets(onSnapshots(this.deps.pool))) {
      yield violations.map(violationText);
    }
  }

  private async secretOf(eventId: number): Promise<Buffer> {
    const known = this.secrets.get(eventId) ?? (await loadEventSecret(this.deps.pool, eventId));
    if (known === undefined) throw new Error(`event ${eventId} was armed and has no secret`);
    this.secrets.set(eventId, known);
    return known;
  }

  /** Rests after the work for so long that all in all no more than the share of time is worked. */
  private async paced(work: () => Promise<void>): Promise<void> {
    const startedAt = performance.now();
    await work();
    const workedMs = performance.now() - startedAt;
    this.deps.metrics.ledgerCheckSeconds.inc(workedMs / 1000);
    await pause(workedMs * (1 / this.deps.pace.busyShare - 1), this.signal);
  }
}
