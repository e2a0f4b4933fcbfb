import type { Db } from '../pool.ts';

/** Notes that a dead letter was replayed and what came of it; its block may be reclaimed again. False when it was noted before. */
export async function closeDeadLetter(db: Db, { id, outcome }: { id: bigint; outcome: unknown }): Promise<boolean> {
  const { rowCount } = await db.query(
    'UPDATE dead_letters SET replayed_at = now(), outcome = $2 WHERE id = $1 AND replayed_at IS NULL',
    [id, JSON.stringify(outcome)],
  );
  return rowCount === 1;
}
