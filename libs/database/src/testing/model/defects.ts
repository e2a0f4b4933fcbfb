import type { Habits } from './actors.ts';
import type { Weights } from './commands.ts';
import { blockLife, ending, lateOpens, poisoned, settlement } from './weights.ts';

/** A fault put in on purpose: in a function of the database, in a statement of an operation, or in what a process does. */
export interface Defect {
  readonly what: string;
  readonly weights: Weights;
  readonly in: 'settle_opens' | 'settle_grabs' | 'statement' | 'process';
  readonly from?: string;
  readonly to?: string;
  readonly habits?: Partial<Habits>;
}

export const defects: readonly Defect[] = [
  {
    what: 'a reclaim does not ask what is outstanding',
    weights: lateOpens,
    in: 'process',
    habits: { asksLanes: false },
  },
  {
    what: 'an event is settled without asking what is outstanding',
    weights: settlement,
    in: 'process',
    habits: { asksLanes: false },
  },
  {
    what: 'an event is settled by the time at which it was closed, whatever was stocked since',
    weights: ending,
    in: 'process',
    habits: { asksBlocks: false },
  },
  {
    what: 'a new store is used before the blocks of the old one are retired',
    weights: blockLife,
    in: 'process',
    habits: { retiresFirst: false },
  },
  {
    what: 'a restock ignores grants',
    weights: lateOpens,
    in: 'statement',
    from: 'AS indexes FROM grants\n       WHERE',
    to: 'AS indexes FROM grants\n       WHERE false AND',
  },
  {
    what: 'a restock does not lock its blocks before it looks for grants',
    weights: lateOpens,
    in: 'statement',
    from: 'ORDER BY block_no LIMIT live.count_max FOR UPDATE',
    to: 'ORDER BY block_no LIMIT live.count_max',
  },
  {
    what: 'a restock keeps the epoch',
    weights: blockLife,
    in: 'statement',
    from: "SET state = 'out', epoch = n.epoch,",
    to: "SET state = 'out',",
  },
  {
    what: 'a restock does not ask whether the event is live',
    weights: settlement,
    in: 'statement',
    from: "WHERE e.state = 'live' ORDER BY p.id FOR SHARE OF e",
    to: 'ORDER BY p.id FOR SHARE OF e',
  },
  {
    what: 'a reclaim ignores dead letters',
    weights: poisoned,
    in: 'statement',
    from: "WHERE d.replayed_at IS NULL AND d.kind = 'open'",
    to: 'WHERE false',
  },
  {
    what: 'settle_opens does not lock the users',
    weights: settlement,
    in: 'settle_opens',
    from: 'a.name = ANY (user_ids) ORDER BY a.name FOR UPDATE',
    to: 'a.name = ANY (user_ids) ORDER BY a.name',
  },
  {
    what: 'settle_opens does not lock the blocks',
    weights: lateOpens,
    in: 'settle_opens',
    from: 'b.block_no = w.block_no FOR SHARE',
    to: 'b.block_no = w.block_no',
  },
  {
    what: 'settle_opens takes tickets of earlier epochs',
    weights: lateOpens,
    in: 'settle_opens',
    from: "b.state <> 'closed' AND b.epoch = c.epoch",
    to: "b.state <> 'closed' AND b.epoch >= c.epoch",
  },
  {
    what: 'settle_opens allows one packet less',
    weights: settlement,
    in: 'settle_opens',
    from: 'WHEN r.per_user_max < first_value',
    to: 'WHEN r.per_user_max <= first_value',
  },
  {
    what: 'settle_opens allows one packet more',
    weights: settlement,
    in: 'settle_opens',
    from: 'WHEN r.per_user_max < first_value',
    to: 'WHEN r.per_user_max + 1 < first_value',
  },
  {
    what: 'settle_opens does not keep denials',
    weights: settlement,
    in: 'settle_opens',
    from: 'IF denied_count > 0 THEN',
    to: 'IF false THEN',
  },
  {
    what: 'settle_opens does not look its denials up',
    weights: settlement,
    in: 'settle_opens',
    from: 'WHEN r.denied_as IS NOT NULL THEN r.denied_as',
    to: '',
  },
  {
    what: 'settle_opens does not wait for the end of the event',
    weights: settlement,
    in: 'settle_opens',
    from: 'PERFORM pg_advisory_xact_lock_shared(7301, w.event_id)',
    to: 'PERFORM w.event_id',
  },
  {
    what: 'settle_grabs does not ask for the epoch of the share',
    weights: lateOpens,
    in: 'settle_grabs',
    from: 'g.account_id = c.owner_account_id AND g.epoch = c.epoch',
    to: 'g.account_id = c.owner_account_id',
  },
  {
    what: 'settle_grabs gives one portion more',
    weights: settlement,
    in: 'settle_grabs',
    from: 'WHEN r.is_owners AND r.is_of_event AND r.taken >= r.portion_count',
    to: 'WHEN r.is_owners AND r.is_of_event AND r.taken > r.portion_count',
  },
];
