import type { Db } from '../pool.ts';

/** Who did what to which thing, and why; `detail` is any JSON. */
export interface NewAuditEntry {
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly reason: string;
  readonly detail: unknown;
}

/** Writes an entry of the audit log, which is never changed; gives its id. */
export async function insertAuditEntry(db: Db, entry: NewAuditEntry): Promise<bigint> {
  const { rows } = await db.query<{ id: bigint }>(
    'INSERT INTO audit_log (actor, action, target, reason, detail) VALUES ($1, $2, $3, $4, $5) RETURNING id',
    [entry.actor, entry.action, entry.target, entry.reason, JSON.stringify(entry.detail ?? null)],
  );
  return rows[0]!.id;
}
