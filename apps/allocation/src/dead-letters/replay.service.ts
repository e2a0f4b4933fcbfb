import type { GrabItem, GrabOutcome, OpenItem, OpenOutcome } from '#libs/contracts';
import { closeDeadLetter, type DeadLetterRecord, findDeadLetter, type Pool, type PrismaClient } from '#libs/database';
import { loadEvent } from '../events/event-store.ts';
import type { LaneItem, SettleItemsOptions } from '../settlement/item-settler.ts';
import { type DeadLetterBox, errorTextOf, itemSchemas } from './dead-letter-box.ts';

export type ReplayOutcome =
  | { readonly outcome: 'done'; readonly letter: DeadLetterRecord }
  | { readonly outcome: 'dead_letter_unknown' }
  | { readonly outcome: 'state_conflict'; readonly detail: string };

interface Settler<Item, Outcome> {
  settle(
    entries: readonly LaneItem<Item>[],
    options: SettleItemsOptions<LaneItem<Item>>,
  ): Promise<(Outcome | undefined)[]>;
}

export interface ReplayDeps {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly box: DeadLetterBox;
  readonly opens: Settler<OpenItem, OpenOutcome>;
  readonly grabs: Settler<GrabItem, GrabOutcome>;
  readonly stopped: AbortSignal;
}

/** Longest that a replay waits for a database that is away: its caller waits with it. */
const replayMaxMs = 5000;

type Verdict = { readonly outcome: OpenOutcome | GrabOutcome; readonly error?: string };

/**
 * Settles a dead letter again, with its original acceptance, and keeps what became of it. Idempotent: a letter that was settled
 * answers what is kept. One that fails again stays open while its event can still give the packet to somebody else; after that
 * the failure is the outcome, so that the event can be settled, and a later replay may still try.
 */
export class ReplayDeadLetter {
  constructor(private readonly deps: ReplayDeps) {}

  async replay(id: bigint): Promise<ReplayOutcome> {
    const letter = await findDeadLetter(this.deps.prisma, id);
    if (letter === undefined) return { outcome: 'dead_letter_unknown' };
    if (letter.replayedAtMs !== undefined && !isDead(letter.outcome)) return { outcome: 'done', letter };
    const verdict = await this.settleAgain(letter);
    if (verdict === undefined) return { outcome: 'state_conflict', detail: 'the item cannot be read by this version' };
    if (verdict.outcome.outcome === 'no_grant_yet') {
      return { outcome: 'state_conflict', detail: "the owner's open is not settled yet: replay it later" };
    }
    if (verdict.outcome.outcome === 'dead' && (await this.canBeReissued(letter))) {
      return { outcome: 'state_conflict', detail: `it still cannot be settled: ${verdict.error}` };
    }
    return this.keep(letter, verdict);
  }

  private async settleAgain(letter: DeadLetterRecord): Promise<Verdict | undefined> {
    const item = itemSchemas[letter.kind].safeParse(letter.item);
    if (!item.success) return undefined;
    const { lane } = letter;
    const { opens, grabs, stopped } = this.deps;
    return letter.kind === 'open'
      ? settleOne(opens, { item: item.data as OpenItem, lane }, stopped)
      : settleOne(grabs, { item: item.data as GrabItem, lane }, stopped);
  }

  private async canBeReissued({ eventId }: DeadLetterRecord): Promise<boolean> {
    const event = await loadEvent(this.deps.prisma, eventId);
    return event?.state === 'armed' || event?.state === 'live';
  }

  private async keep(letter: DeadLetterRecord, { outcome, error }: Verdict): Promise<ReplayOutcome> {
    const { pool, prisma, box } = this.deps;
    if (letter.replayedAtMs !== undefined) await box.reopen(letter);
    await closeDeadLetter(pool, { id: letter.id, outcome: error === undefined ? outcome : { ...outcome, error } });
    const kept = await findDeadLetter(prisma, letter.id);
    return kept === undefined ? { outcome: 'dead_letter_unknown' } : { outcome: 'done', letter: kept };
  }
}

function isDead(outcome: unknown): boolean {
  return (outcome as { outcome?: unknown } | undefined)?.outcome === 'dead';
}

async function settleOne<Item, Outcome extends OpenOutcome | GrabOutcome>(
  settler: Settler<Item, Outcome>,
  entry: LaneItem<Item>,
  stopped: AbortSignal,
): Promise<Verdict> {
  let error: string | undefined;
  const bury = async (_entry: LaneItem<Item>, cause: unknown): Promise<void> => {
    error = errorTextOf(cause);
  };
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(replayMaxMs)]);
  const [outcome] = await settler.settle([entry], { bury, stopped: signal });
  return error === undefined ? { outcome: outcome! } : { outcome: outcome!, error };
}
