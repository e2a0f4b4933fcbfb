import { type Db, inTransaction, type PoolClient } from '../pool.ts';
import { insertAuditEntry, type NewAuditEntry } from './insert-audit-entry.sql.ts';

export interface DegradationChange {
  /** The version that the change was made from; 0 when there was no document. */
  readonly expectedVersion: number;
  /** The new version; default `expectedVersion + 1`. A higher one where processes know of a higher one (a database that was restored). */
  readonly version?: number;
  readonly document: unknown;
  readonly audit: NewAuditEntry;
}

/**
 * Replaces the degradation document and writes the audit entry, in one transaction. Gives the new version; undefined, and nothing
 * is written, when somebody else was first: read it again.
 */
export function saveDegradation(db: Db, change: DegradationChange): Promise<number | undefined> {
  const { expectedVersion, version = expectedVersion + 1 } = change;
  if (version <= expectedVersion) throw new RangeError(`version ${version} is not after ${expectedVersion}`);
  return inTransaction(db, async (client) => {
    const write = expectedVersion === 0 ? insertDocument : replaceDocument;
    if (!(await write(client, change, version))) return undefined;
    await insertAuditEntry(client, change.audit);
    return version;
  });
}

async function insertDocument(client: PoolClient, change: DegradationChange, version: number): Promise<boolean> {
  const { rowCount } = await client.query(
    'INSERT INTO degradation_state (id, version, document) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING',
    [version, JSON.stringify(change.document)],
  );
  return rowCount === 1;
}

async function replaceDocument(client: PoolClient, change: DegradationChange, version: number): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE degradation_state SET version = $2, document = $3, updated_at = now()
     WHERE id = 1 AND version = $1`,
    [change.expectedVersion, version, JSON.stringify(change.document)],
  );
  return rowCount === 1;
}
