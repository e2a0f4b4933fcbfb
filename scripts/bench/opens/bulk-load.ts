import type { PoolClient } from '#libs/database';

/** The tables that a filled ledger has millions of rows in. */
const tables = ['accounts', 'grants', 'transfers'];

interface Definition {
  readonly tableName: string;
  readonly name: string;
  readonly definition: string;
}

const constraintsSql = `
  SELECT c.conrelid::regclass::text AS "tableName", quote_ident(c.conname) AS name, pg_get_constraintdef(c.oid) AS definition
  FROM pg_constraint c
  WHERE (c.conrelid = ANY ($1::regclass[]) OR c.confrelid = ANY ($1::regclass[])) AND c.contype = ANY ($2::"char"[])
  ORDER BY c.contype, c.conname`;

/** Indexes that belong to no constraint. */
const indexesSql = `
  SELECT i.indrelid::regclass::text AS "tableName", i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_index i
  WHERE i.indrelid = ANY ($1::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)`;

/**
 * Loads the ledger's tables without their indexes and makes those again afterwards, as they were: PostgreSQL checks every row for
 * keys and references then. Plain conditions (CHECK, NOT NULL) and triggers stay in force meanwhile. For databases of benchmarks alone.
 */
export async function withoutIndexes(client: PoolClient, load: () => Promise<void>): Promise<void> {
  const find = async (sql: string, values: unknown[]): Promise<Definition[]> =>
    (await client.query<Definition>(sql, values)).rows;
  const references = await find(constraintsSql, [tables, ['f']]);
  const keys = await find(constraintsSql, [tables, ['p', 'u']]);
  const ownKeys = keys.filter(({ tableName }) => tables.includes(tableName));
  const indexes = await find(indexesSql, [tables]);
  for (const { tableName, name } of [...references, ...ownKeys])
    await client.query(`ALTER TABLE ${tableName} DROP CONSTRAINT ${name}`);
  for (const { name } of indexes) await client.query(`DROP INDEX ${name}`);
  await load();
  // of this session alone; the server's own settings are those of the measurement
  await client.query("SET maintenance_work_mem = '512MB'");
  await client.query("SET work_mem = '256MB'");
  for (const { tableName, name, definition } of [...ownKeys, ...references])
    await client.query(`ALTER TABLE ${tableName} ADD CONSTRAINT ${name} ${definition}`);
  for (const { definition } of indexes) await client.query(definition);
  for (const table of tables) await client.query(`VACUUM (ANALYZE) ${table}`);
  await client.query('CHECKPOINT');
}
