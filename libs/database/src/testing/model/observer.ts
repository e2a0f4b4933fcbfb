import { type BlockState, canBlockGo, indexesOf, packetRefOf } from '#libs/domain';
import type { Pool } from '../../pool.ts';
import { packetsOfPool } from '../../sql/packet-range.ts';
import { mismatch } from './order.ts';
import type { RefBlock, Reference } from './reference.ts';

/** Everything of an event that its operations change, as the database has it and as the model says, in one form. */
interface Ledger {
  readonly event: { readonly state: string; readonly settling: boolean; readonly closedAtMs: number | null };
  readonly pools: readonly unknown[];
  readonly blocks: readonly BlockRow[];
  readonly grants: readonly unknown[];
  readonly grabs: readonly unknown[];
  readonly denials: readonly unknown[];
  readonly transfers: readonly unknown[];
  readonly wallets: readonly unknown[];
  readonly letters: readonly unknown[];
}

interface BlockRow {
  readonly pool: number;
  readonly no: number;
  readonly epoch: number;
  readonly state: BlockState;
  readonly left: readonly number[];
  readonly until: number;
}

const ofPools = (column: string) => packetsOfPool(column, 'p.id');

/** `$1` is the event; its users' names begin with `m<event>-`. */
const sql = `
  WITH p AS (SELECT * FROM pools WHERE event_id = $1)
  SELECT
    (SELECT json_build_object('state', state, 'settling', settling_at IS NOT NULL,
        'closedAtMs', (extract(epoch FROM closed_at) * 1000)::bigint) FROM events WHERE id = $1) AS event,
    (SELECT json_agg(json_build_object('id', p.id, 'next', p.next_block) ORDER BY p.id) FROM p) AS pools,
    (SELECT json_agg(json_build_object('pool', b.pool_id, 'no', b.block_no, 'epoch', b.epoch, 'state', b.state,
        'mask', encode(b.mask, 'hex'), 'until', b.issue_until_ms) ORDER BY b.pool_id, b.block_no)
      FROM p JOIN blocks b ON b.pool_id = p.id) AS blocks,
    (SELECT json_agg(json_build_object('packet', g.packet_id::text, 'user', a.name, 'sponsor', g.sponsor_no, 'epoch', g.epoch,
        'ordinal', g.ordinal, 'fen', g.amount_fen) ORDER BY g.packet_id)
      FROM p JOIN grants g ON ${ofPools('g.packet_id')} JOIN accounts a ON a.id = g.account_id) AS grants,
    (SELECT json_agg(json_build_object('packet', g.packet_id::text, 'portion', g.portion, 'user', a.name, 'fen', g.amount_fen)
        ORDER BY g.packet_id, g.portion)
      FROM p JOIN grabs g ON ${ofPools('g.packet_id')} JOIN accounts a ON a.id = g.account_id) AS grabs,
    (SELECT json_agg(json_build_object('packet', d.packet_id::text, 'epoch', d.epoch, 'user', a.name, 'outcome', d.outcome)
        ORDER BY d.packet_id, d.epoch, a.name)
      FROM p JOIN denials d ON ${ofPools('d.packet_id')} JOIN accounts a ON a.id = d.account_id) AS denials,
    (SELECT json_agg(json_build_object('kind', t.kind, 'ref', t.ref::text, 'portion', t.portion, 'from', d.name, 'to', c.name,
        'fen', t.amount_fen) ORDER BY t.kind, t.ref, t.portion)
      FROM transfers t JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
      WHERE t.event_id = $1) AS transfers,
    (SELECT json_agg(json_build_object('user', a.name, 'fen', a.balance_fen) ORDER BY a.name)
      FROM accounts a WHERE a.kind = 'wallet' AND a.name LIKE 'm' || $1 || '-%' AND a.balance_fen <> 0) AS wallets,
    (SELECT json_agg(json_build_object('packet', l.packet_id::text, 'epoch', l.epoch, 'user', l.user_id,
        'waits', l.replayed_at IS NULL) ORDER BY l.packet_id, l.epoch, l.user_id)
      FROM dead_letters l WHERE l.event_id = $1) AS letters`;

type Row = { [Name in Exclude<keyof Ledger, 'blocks'>]: Ledger[Name] | null } & {
  readonly blocks: (Omit<BlockRow, 'left'> & { readonly mask: string })[] | null;
};

/** Looks at the database after each commit: it must be what the model says, and blocks must have moved as they may. */
export class Observer {
  private before = new Map<string, BlockRow>();

  constructor(
    private readonly pool: Pool,
    private readonly reference: Reference,
  ) {}

  /** @throws Mismatch */
  readonly compare = async (): Promise<void> => {
    this.reference.commits += 1;
    const { rows } = await this.pool.query<Row>({ name: 'model_ledger', text: sql, values: [this.reference.event.id] });
    const actual = ledgerOf(rows[0]!);
    this.checkMoves(actual.blocks);
    mismatch.unless(expectedLedger(this.reference), actual, `the database after commit ${this.reference.commits}`);
  };

  private checkMoves(blocks: readonly BlockRow[]): void {
    for (const block of blocks) {
      const key = `${block.pool}/${block.no}`;
      const before = this.before.get(key);
      const from = before?.state ?? 'planned';
      const isMove = before?.state !== block.state || before.epoch !== block.epoch;
      if (isMove)
        mismatch.unlessTrue(canBlockGo(from, block.state), `block ${key} went from ${from} to ${block.state}`);
      const epoch = (before?.epoch ?? 0) + (isMove && block.state === 'out' ? 1 : 0);
      mismatch.unless(epoch, block.epoch, `the epoch of block ${key}`);
    }
    this.before = new Map(blocks.map((block) => [`${block.pool}/${block.no}`, block]));
  }
}

function ledgerOf(row: Row): Ledger {
  const { event, pools, blocks, grants, grabs, denials, transfers, wallets, letters } = row;
  const all = { pools, grants, grabs, denials, transfers, wallets, letters };
  const lists = Object.fromEntries(Object.entries(all).map(([name, list]) => [name, list ?? []]));
  const masked = (blocks ?? []).map(({ mask, ...block }) => ({ ...block, left: indexesOf(Buffer.from(mask, 'hex')) }));
  return { ...(lists as unknown as Ledger), event: event!, blocks: masked };
}

const byKey = <T>(list: T[], keyOf: (one: T) => (string | bigint | number)[]): T[] => {
  const compare = (a: T, b: T) => {
    const [left, right] = [keyOf(a), keyOf(b)];
    const at = left.findIndex((part, i) => part !== right[i]);
    return at < 0 ? 0 : left[at]! < right[at]! ? -1 : 1;
  };
  return list.sort(compare);
};

function expectedLedger(reference: Reference): Ledger {
  const { event, state, isSettling, closedAtMs } = reference;
  const blocks = byKey([...reference.blocks.values()], ({ poolId, blockNo }) => [poolId, blockNo]);
  return {
    event: { state, settling: isSettling, closedAtMs: closedAtMs ?? null },
    pools: [...event.pools].map(({ poolId }) => ({ id: poolId, next: reference.nextBlocks.get(poolId) })),
    blocks: blocks.map(rowOf),
    grants: byKey([...reference.grants], ([id]) => [id]).map(([id, grant]) => ({
      packet: String(id),
      user: grant.userId,
      sponsor: grant.sponsorNo,
      epoch: grant.epoch,
      ordinal: grant.ordinal,
      fen: grant.amountFen,
    })),
    grabs: byKey([...reference.grabs], ([id]) => [id]).flatMap(([id, grabs]) =>
      grabs.map(({ userId, amountFen }, i) => ({ packet: String(id), portion: i + 1, user: userId, fen: amountFen })),
    ),
    denials: denialsOf(reference),
    transfers: transfersOf(reference),
    wallets: walletsOf(reference),
    letters: keyed(reference.letters).map(([key, waits]) => ({ ...ticketOf(key), waits })),
  };
}

function rowOf({ poolId, blockNo, epoch, state, left, issueUntilMs }: RefBlock): BlockRow {
  return { pool: poolId, no: blockNo, epoch, state, until: issueUntilMs, left };
}

function ticketOf(key: string) {
  const [packet, epoch, user] = key.split('/');
  return { packet: packet!, epoch: Number(epoch), user: user! };
}

function keyed<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return byKey([...map], ([key]) => {
    const { packet, epoch, user } = ticketOf(key);
    return [BigInt(packet), epoch, user];
  });
}

/** `expired` is not kept: it rests on facts that never turn back. */
function denialsOf({ outcomes }: Reference) {
  const kept = new Set(['limit', 'sponsor_limit', 'taken']);
  const opens = new Map([...outcomes].filter(([key, outcome]) => !key.startsWith('grab ') && kept.has(outcome)));
  return keyed(opens).map(([key, outcome]) => ({ ...ticketOf(key), outcome }));
}

/** Every fen that ever moved, by its deterministic id (invariant 8). */
function transfersOf({ event, grants, grabs, refunds }: Reference) {
  const poolOf = (packetId: bigint) => packetRefOf(packetId).poolId;
  const sponsorOf = (sponsorNo: number) => `${event.id}/${event.sponsors.find(({ no }) => no === sponsorNo)!.id}`;
  const pools = [...event.pools].sort((a, b) => a.poolId - b.poolId);
  const refundOf = ({ poolId, sponsorNo }: (typeof pools)[number]) => {
    const fen = refunds.get(poolId) ?? 0;
    return { kind: 'refund', ref: String(poolId), portion: 0, from: String(poolId), to: sponsorOf(sponsorNo), fen };
  };
  const grabbed = byKey([...grabs], ([id]) => [id]).flatMap(([id, list]) =>
    list.map(({ userId, amountFen }, i) => booked('grab', id, i + 1, poolOf(id), userId, amountFen)),
  );
  const granted = byKey([...grants], ([id]) => [id]).map(([id, { userId, amountFen }]) =>
    booked('grant', id, 0, poolOf(id), userId, amountFen),
  );
  const funds = pools.map(({ poolId, sponsorNo, budgetFen, shareBudgetFen }) => {
    const fen = budgetFen + shareBudgetFen;
    return { kind: 'fund', ref: String(poolId), portion: 0, from: sponsorOf(sponsorNo), to: String(poolId), fen };
  });
  return [...funds, ...grabbed, ...granted, ...pools.map(refundOf).filter(({ fen }) => fen > 0)];
}

function booked(kind: string, id: bigint, portion: number, poolId: number, userId: string, fen: number) {
  return { kind, ref: String(id), portion, from: String(poolId), to: userId, fen };
}

function walletsOf({ grants, grabs }: Reference) {
  const balances = new Map<string, number>();
  const add = ({ userId, amountFen }: { userId: string; amountFen: number }) =>
    balances.set(userId, (balances.get(userId) ?? 0) + amountFen);
  for (const grant of grants.values()) add(grant);
  for (const grab of [...grabs.values()].flat()) add(grab);
  return byKey([...balances], ([user]) => [user]).map(([user, fen]) => ({ user, fen }));
}
