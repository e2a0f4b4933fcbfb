import { type FeedEntry, isoOf, type Leaderboard } from '#libs/contracts';
import { listLuckiest, type Pool } from '#libs/database';
import type { DegradationHolder } from '#libs/degradation';
import { type Logger, ProblemError } from '#libs/runtime';
import { Board, type Leader, leadersMax } from './board.ts';
import type { EventDirectory } from './event-directory.ts';

/** Events whose boards are kept; the one that was begun first leaves. */
const boardsMax = 64;
/** What the feed lost comes from the ledger this often; a seeding that failed is tried again after as long. */
const seedIntervalMs = 60_000;
/** Seedings at once: each is a query over the event's grants, ended by the pool's statement timeout. */
const seedingsMax = 1;
/** Packets read to find `leadersMax` users: one user may hold several of the largest. */
const seedPacketsMax = leadersMax * 4;

interface KeptBoard {
  readonly board: Board;
  isSeeded: boolean;
  triedAtMs: number;
  seeding: Promise<void> | undefined;
}

export interface LeaderboardsParts {
  readonly pool: Pool;
  readonly events: EventDirectory;
  readonly features: DegradationHolder;
  readonly log: Logger;
  /** Store milliseconds. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
}

/** The luckiest of each event: kept in memory from the feed, begun and corrected from the ledger. */
export class Leaderboards {
  private readonly boards = new Map<number, KeptBoard>();
  private seedings = 0;

  constructor(private readonly parts: LeaderboardsParts) {}

  /** @throws ProblemError `feature_off`, `event_unknown`, `dependency_unavailable`. */
  async read(eventId: number): Promise<Leaderboard> {
    if (!this.parts.features.isOn('leaderboard')) throw new ProblemError('feature_off');
    this.parts.events.require(eventId);
    const kept = this.boards.get(eventId) ?? this.begin(eventId);
    this.seedWhenDue(eventId, kept);
    if (!kept.isSeeded) await kept.seeding;
    const leaders = kept.board.list();
    // without the ledger, what the feed told since somebody first asked is better than nothing
    if (!kept.isSeeded && leaders.length === 0)
      throw new ProblemError('dependency_unavailable', 'the leaderboard could not be read yet');
    return { leaders: leaders.map(leaderView), asOf: isoOf(this.parts.nowMs()) };
  }

  /** Takes what the feed tells; only boards that somebody asked for are kept. */
  hear(entries: readonly FeedEntry[]): void {
    for (const { kind, eventId, userId, amountFen, atMs } of entries) {
      if (kind === 'open') this.boards.get(eventId)?.board.offer({ userId, amountFen, atMs });
    }
  }

  private begin(eventId: number): KeptBoard {
    const kept = { board: new Board(), isSeeded: false, triedAtMs: Number.NEGATIVE_INFINITY, seeding: undefined };
    this.boards.set(eventId, kept);
    const oldest = this.boards.keys().next();
    if (this.boards.size > boardsMax && !oldest.done) this.boards.delete(oldest.value);
    return kept;
  }

  private seedWhenDue(eventId: number, kept: KeptBoard): void {
    const nowMs = this.parts.monotonicMs();
    if (nowMs - kept.triedAtMs < seedIntervalMs || this.seedings >= seedingsMax) return;
    kept.triedAtMs = nowMs;
    this.seedings += 1;
    kept.seeding = this.seed(eventId, kept).finally(() => {
      this.seedings -= 1;
      kept.seeding = undefined;
    });
  }

  /** The board is corrected in place: what the feed told meanwhile stays. */
  private async seed(eventId: number, kept: KeptBoard): Promise<void> {
    try {
      const rows = await listLuckiest(this.parts.pool, { eventId, limit: seedPacketsMax });
      for (const row of rows)
        kept.board.offer({ userId: row.userId, amountFen: row.amountFen, atMs: row.acceptedAtMs });
      kept.isSeeded = true;
    } catch (error) {
      this.parts.log.warn({ err: error, eventId }, 'the leaderboard could not be read from the ledger');
    }
  }
}

function leaderView({ userId, amountFen, atMs }: Leader, index: number): Leaderboard['leaders'][number] {
  return { rank: index + 1, userId, amountFen, at: isoOf(atMs) };
}
