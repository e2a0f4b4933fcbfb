import { type DegradationState, degradationStateSchema } from '#libs/contracts';
import { type Pool, type PrismaClient, readDegradation, saveDegradation } from '#libs/database';
import { documentToKeep, foldExpired, initialState, withAutoTier } from '#libs/degradation';
import type { Tier } from '#libs/domain';
import {
  type RedisClient,
  readDegradation as readPushed,
  writeDegradation,
  writeDegradationAsLeader,
} from '#libs/redis';
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
const autoTriesMax = 3;

export interface DegradationKeeperParts {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly redis: RedisClient;
  readonly log: Logger;
  /** Store milliseconds, or the best guess at them. */
  readonly nowMs: () => number;
  /** Store milliseconds; undefined while the store cannot be asked. */
  readonly storeMs: () => number | undefined;
}

/** What became of a tier that the controller holds right. `stale`: others keep changing the document, ask again. */
export type AutoTierResult = 'same' | 'written' | 'stale' | 'not_leader';

/**
 * Keeps the degradation document in its two places (libs/degradation, documents.ts). What operators ask for is a new version in
 * PostgreSQL, saved together with its audit entry only if nobody was first, then pushed through Redis. What the controller holds right
 * goes to Redis first. Each second the two are made the same, and what has ended is folded back; any operations process may do that.
 */
export class DegradationKeeper {
  /** PostgreSQL's. */
  private saved: DegradationState = initialState();
  private wasRead = false;
  /** The newest that was ever read or written in Redis: processes may know it, whatever Redis has lost since. */
  private heard: DegradationState | undefined;
  private timer: NodeJS.Timeout | undefined;
  private ticking: Promise<void> | undefined;
  /** The last change or tick that was begun: the next one waits for it, so that this process never races itself. */
  private last: Promise<unknown> = Promise.resolve();
  private changesWaiting = 0;
  private readonly away = new Set<'database' | 'redis'>();

  constructor(private readonly parts: DegradationKeeperParts) {}

  /** The last known document. @throws ProblemError `dependency_unavailable` when none could be read yet. */
  state(): DegradationState {
    const known = this.known();
    if (known === undefined) throw new ProblemError('dependency_unavailable', 'the degradation state is not known yet');
    return known;
  }

  /** True when PostgreSQL's document was read at least once. */
  isKnown(): boolean {
    return this.wasRead;
  }

  /**
   * The last known document, undefined when none could be read yet. Where the places differ, Redis's, which processes go by: only a save,
   * which fails if PostgreSQL's was read too early, may make one document of two.
   */
  known(): DegradationState | undefined {
    if (!this.wasRead) return this.heard;
    return this.heard === undefined || this.heard.version < this.saved.version ? this.saved : this.heard;
  }

  /**
   * Changes what operators ask for, with its audit entry, and pushes it. When Redis is away it is pushed as soon as it is back.
   * @throws ProblemError `dependency_unavailable` when PostgreSQL is away or slow.
   */
  async change(act: Act, change: DegradationChange): Promise<void> {
    if (this.changesWaiting >= changesWaitingMax)
      throw new ProblemError('dependency_unavailable', 'too many changes wait for the database');
    this.changesWaiting += 1;
    try {
      await this.inTurn(async () => {
        await this.save(act, change).catch(throwDatabaseProblem);
        await this.push();
      });
    } finally {
      this.changesWaiting -= 1;
    }
  }

  /**
   * Tells every process the controller's tier, if `leaderId` leads at that moment; PostgreSQL follows, with the audit entry. Waits for no
   * change of an operator and not for PostgreSQL. @throws the client's error while Redis is away: it may or may not be told.
   */
  async putAutoTier(tier: Tier, reason: string, leaderId: string): Promise<AutoTierResult> {
    if (this.known()?.autoTier === tier) return 'same';
    for (let tries = 0; tries < autoTriesMax; tries++) {
      await this.hear();
      const before = this.known();
      if (before === undefined || before.autoTier === tier) return 'same';
      const after = withAutoTier(before, tier, this.parts.nowMs(), reason);
      const result = await writeDegradationAsLeader(this.parts.redis, leaderId, after);
      if (result === 'not_leader') return result;
      if (result === 'stale') continue;
      this.heard = after;
      void this.tick();
      return 'written';
    }
    return 'stale';
  }

  /** Begins to keep the two places right. Resolves after the first try; never rejects. */
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
    await this.tellOf('redis', async () => void (await this.hear()));
    await this.tellOf('database', async () => {
      await this.save(adoptAct, (state) => state);
      await this.fold();
    });
    await this.push();
  }

  /** What is folded is gone for good: a guess at the time is not enough for that, and no process needs it, each goes by the end times. */
  private async fold(): Promise<void> {
    const storeMs = this.parts.storeMs();
    if (storeMs === undefined || foldExpired(this.saved, storeMs) === this.saved) return;
    await this.save(foldAct, (state) => foldExpired(state, storeMs));
  }

  private async refresh(): Promise<void> {
    const saved = await readDegradation(this.parts.prisma);
    this.saved = saved === undefined ? initialState() : degradationStateSchema.parse(saved.document);
    this.wasRead = true;
  }

  /** What is in Redis now; a document that is older than one that was heard before teaches nothing. */
  private async hear(): Promise<DegradationState | undefined> {
    const there = await readPushed(this.parts.redis);
    if (there !== undefined && there.version >= (this.heard?.version ?? 0)) this.heard = there;
    return there;
  }

  /** Saves what `next` makes of the document, as one act with its audit entry; nothing when that is what is saved already. */
  private async save(act: Act | ActOf, next: DegradationChange): Promise<void> {
    for (let tries = 0; tries < savesMax; tries++) {
      await this.refresh();
      const before = this.saved;
      const after = next(documentToKeep(before, this.heard), this.parts.nowMs());
      if (after === before) return;
      const audit = auditOf(typeof act === 'function' ? act(before, after) : act, before, after);
      const written = { expectedVersion: before.version, version: after.version, document: after, audit };
      if ((await saveDegradation(this.parts.pool, written)) === undefined) continue;
      this.saved = after;
      return;
    }
    throw new ProblemError('dependency_unavailable', 'the degradation state is being changed by others; ask again');
  }

  private push(): Promise<void> {
    return this.tellOf('redis', () => this.pushOver());
  }

  /** Processes keep the highest version they ever heard of: what differs from it has to pass it. */
  private async pushOver(): Promise<void> {
    const there = await this.hear();
    const document = this.known();
    if (document === undefined || document.version <= (there?.version ?? 0)) return;
    const written = await writeDegradation(this.parts.redis, document);
    if (written.status === 'ok') this.heard = document;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work, work);
    this.last = turn;
    return turn;
  }

  private async tellOf(dependency: 'database' | 'redis', work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.tell(dependency, true);
    } catch (error) {
      this.tell(dependency, false, error);
    }
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

type ActOf = (before: DegradationState, after: DegradationState) => Act;

const bySystem = { actor: { role: 'operator', name: 'system' }, target: 'degradation' } as const;

const foldAct: Act = { ...bySystem, action: 'degradation.fall_back', reason: 'an end time has passed' };

/** What Redis knows is newer than what is saved: the controller's word, or a database that was restored or made anew. */
function adoptAct(before: DegradationState, after: DegradationState): Act {
  if (before.autoTier !== after.autoTier)
    return { ...bySystem, action: 'degradation.auto_tier', reason: after.autoReason ?? 'the signals asked for it' };
  const reason = 'processes know another version than the database, which was restored, made anew or late';
  return { ...bySystem, action: 'degradation.pass_version', reason };
}

function auditOf({ actor, action, target, reason, detail }: Act, before: DegradationState, after: DegradationState) {
  return { actor: actor.name, action, target, reason, detail: { ...detail, before, after } };
}
