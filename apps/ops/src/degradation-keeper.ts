import { type DegradationState, type DegradationView, degradationStateSchema } from '#libs/contracts';
import { type Pool, type PrismaClient, readDegradation, saveDegradation } from '#libs/database';
import { degradationView, foldExpired, initialState } from '#libs/degradation';
import { type RedisClient, readDegradation as readPushed, writeDegradation } from '#libs/redis';
import { type Logger, ProblemError } from '#libs/runtime';
import type { Act } from './audit.service.ts';
import { throwDatabaseProblem } from './away.ts';

/** How the document becomes another one: a pure function of libs/degradation. The same document means: nothing to do. */
export type DegradationChange = (state: DegradationState, nowMs: number) => DegradationState;

const tickIntervalMs = 1000;
/** Changes that may wait for their turn while the database is slow. */
const changesWaitingMax = 32;
/** A save that is lost to another process is done anew: each loss is one change of the other's kept, and it has no more of them waiting. */
const savesMax = 2 * changesWaitingMax;

export interface DegradationKeeperParts {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly redis: RedisClient;
  readonly log: Logger;
  readonly nowMs: () => number;
}

/**
 * The one writer of the degradation document. PostgreSQL keeps it, each change is a new version that is saved together with its audit
 * entry only if nobody was first, then pushed through Redis. Each second: what another process of ours wrote is taken over, what has
 * ended is folded back, and Redis is told again if it lost the document or holds another version.
 */
export class DegradationKeeper {
  private document: DegradationState = initialState();
  private wasRead = false;
  private timer: NodeJS.Timeout | undefined;
  private ticking: Promise<void> | undefined;
  /** The last change or tick that was begun: the next one waits for it, so that this process never races itself. */
  private last: Promise<unknown> = Promise.resolve();
  private changesWaiting = 0;
  private readonly away = new Set<'database' | 'redis'>();

  constructor(private readonly parts: DegradationKeeperParts) {}

  /** The last known document. @throws ProblemError `dependency_unavailable` when it could not be read yet. */
  state(): DegradationState {
    if (!this.wasRead) throw new ProblemError('dependency_unavailable', 'the degradation state could not be read yet');
    return this.document;
  }

  /** True when the document was read at least once. */
  isKnown(): boolean {
    return this.wasRead;
  }

  view(): DegradationView {
    return degradationView(this.state(), this.parts.nowMs());
  }

  /**
   * Changes the document, with its audit entry, and pushes it. When Redis is away it is pushed as soon as it is back.
   * @throws ProblemError `dependency_unavailable` when PostgreSQL is away or slow.
   */
  async change(act: Act, change: DegradationChange): Promise<DegradationView> {
    if (this.changesWaiting >= changesWaitingMax)
      throw new ProblemError('dependency_unavailable', 'too many changes wait for the database');
    this.changesWaiting += 1;
    try {
      return await this.inTurn(async () => {
        await this.save(act, change).catch(throwDatabaseProblem);
        await this.push();
        return this.view();
      });
    } finally {
      this.changesWaiting -= 1;
    }
  }

  /** Begins to keep Redis and this copy right. Resolves after the first try; never rejects. */
  async start(): Promise<void> {
    this.timer = setInterval(() => void this.tick(), tickIntervalMs);
    this.timer.unref();
    await this.tick();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.ticking;
    await this.last.catch(() => undefined);
  }

  /** One tick at a time; a slow database must not pile them up. */
  private tick(): Promise<void> {
    this.ticking ??= this.inTurn(() => this.keep()).finally(() => {
      this.ticking = undefined;
    });
    return this.ticking;
  }

  /** What fails is tried again in a second: the last known document holds meanwhile. */
  private async keep(): Promise<void> {
    try {
      await this.refresh();
      if (foldExpired(this.document, this.parts.nowMs()) !== this.document) await this.save(foldAct, foldExpired);
      this.tell('database', true);
    } catch (error) {
      this.tell('database', false, error);
    }
    await this.push();
  }

  private async refresh(): Promise<void> {
    const saved = await readDegradation(this.parts.prisma);
    this.document = saved === undefined ? initialState() : degradationStateSchema.parse(saved.document);
    this.wasRead = true;
  }

  private async save(act: Act, next: DegradationChange): Promise<void> {
    for (let tries = 0; tries < savesMax; tries++) {
      await this.refresh();
      const before = this.document;
      const after = next(before, this.parts.nowMs());
      if (after === before) return;
      const audit = auditOf(act, before, after);
      const written = { expectedVersion: before.version, version: after.version, document: after, audit };
      if ((await saveDegradation(this.parts.pool, written)) === undefined) continue;
      this.document = after;
      return;
    }
    throw new ProblemError('dependency_unavailable', 'the degradation state is being changed by others; ask again');
  }

  private async push(): Promise<void> {
    try {
      await this.pushOver();
      this.tell('redis', true);
    } catch (error) {
      this.tell('redis', false, error);
    }
  }

  /** Processes keep the highest version they ever heard of: where Redis knows a higher one, ours has to pass it. */
  private async pushOver(): Promise<void> {
    const known = await readPushed(this.parts.redis);
    const heard = known?.version ?? 0;
    if (heard > this.document.version) await this.save(passAct, (state, nowMs) => passing(state, heard, nowMs));
    if (this.document.version > heard) await writeDegradation(this.parts.redis, this.document);
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work, work);
    this.last = turn;
    return turn;
  }

  private tell(dependency: 'database' | 'redis', isReachable: boolean, error?: unknown): void {
    if (this.away.has(dependency) === !isReachable) return;
    if (isReachable) {
      this.away.delete(dependency);
      this.parts.log.info({ dependency }, 'the degradation state can be kept again');
    } else {
      this.away.add(dependency);
      this.parts.log.warn({ dependency, err: error }, 'the degradation state cannot be kept; the last one known holds');
    }
  }
}

const foldAct: Act = {
  actor: { role: 'operator', name: 'system' },
  action: 'degradation.fall_back',
  target: 'degradation',
  reason: 'an end time has passed',
};

const passAct: Act = {
  ...foldAct,
  action: 'degradation.pass_version',
  reason: 'processes know a higher version than the database, which was restored or made anew',
};

/** The same state under a version above the one that was heard of. */
function passing(state: DegradationState, heardVersion: number, nowMs: number): DegradationState {
  if (state.version > heardVersion) return state;
  return { ...state, version: heardVersion + 1, updatedAtMs: nowMs };
}

function auditOf({ actor, action, target, reason, detail }: Act, before: DegradationState, after: DegradationState) {
  return { actor: actor.name, action, target, reason, detail: { ...detail, before, after } };
}
