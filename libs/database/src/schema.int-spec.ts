import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blockStates, eventStates, reissues } from '#libs/domain';
import { readSchema, type SchemaTable } from './testing/schema.ts';
import { createTestDatabase, migrationsDirectory, type TestDatabase } from './testing.ts';

let db: TestDatabase;
let tables: SchemaTable[];

beforeAll(async () => {
  db = await createTestDatabase();
  tables = readSchema(join(migrationsDirectory, '..', 'schema.prisma'));
});
afterAll(async () => await db.drop());

async function textRows(sql: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await db.pool.query<[string]>({ text: sql, values, rowMode: 'array' });
  return rows.map(([text]) => text);
}

/** Column lists of a table's constraints of a type (p, u) as `a, b`. */
function keys(table: string, type: string): Promise<string[]> {
  return textRows(
    `SELECT (SELECT string_agg(a.attname, ', ' ORDER BY k.ord) FROM unnest(c.conkey) WITH ORDINALITY AS k (attnum, ord)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum) AS columns
     FROM pg_constraint c WHERE c.conrelid = $1::regclass AND c.contype = $2 ORDER BY 1`,
    [table, type],
  );
}

describe('schema.prisma and the migrated database', () => {
  it('have the same tables', async () => {
    const migrated = await textRows(
      `SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
       AND relname <> '_prisma_migrations' ORDER BY relname COLLATE "C"`,
    );
    expect(tables.map(({ name }) => name)).toEqual(migrated);
  });

  it('agree on every column: name, order, type, nullability, default', async () => {
    for (const { name, columns } of tables) {
      const { rows } = await db.pool.query(
        `SELECT column_name AS name, data_type AS type, is_nullable = 'YES' AS "isNullable",
           column_default IS NOT NULL OR is_identity = 'YES' AS "hasDefault"
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`,
        [name],
      );
      expect({ name, columns }).toEqual({ name, columns: rows });
    }
  });

  it('agree on primary keys, unique keys and foreign keys', async () => {
    for (const { name, primaryKey, uniques, foreignKeys } of tables) {
      expect({ name, key: await keys(name, 'p') }).toEqual({ name, key: [primaryKey.join(', ')] });
      const unique = uniques.map((columns) => columns.join(', ')).sort();
      expect({ name, unique: await keys(name, 'u') }).toEqual({ name, unique });
      const references = await textRows(
        `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'f'`,
        [name],
      );
      const foreign = references.map((definition) =>
        definition.replace(/^FOREIGN KEY \((.*)\) REFERENCES (\w+)\((.*)\)$/, '$1 -> $2($3)'),
      );
      expect({ name, foreignKeys: foreign.sort() }).toEqual({ name, foreignKeys });
    }
  });
});

describe('the words of the database', () => {
  it.each([
    ['events', 'state', eventStates],
    ['events', 'reissue', reissues],
    ['blocks', 'state', blockStates],
    ['accounts', 'kind', ['sponsor', 'pool', 'wallet']],
    ['transfers', 'kind', ['fund', 'grant', 'grab', 'refund']],
    ['dead_letters', 'kind', ['open', 'grab']],
    ['denials', 'outcome', ['limit', 'sponsor_limit', 'taken']],
  ])('%s.%s may hold the words of the program and no others', async (table, column, words) => {
    const [definition] = await textRows(
      `SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c
       WHERE c.conrelid = $1::regclass AND c.contype = 'c' AND c.conname = $2`,
      [table, `${table}_${column}_check`],
    );
    expect([...definition!.matchAll(/'(\w+)'/g)].map(([, word]) => word).sort()).toEqual([...words].sort());
  });
});

describe('the constraints behind the invariants', () => {
  it.each([
    ['a packet is granted once (1)', 'grants', 'PRIMARY KEY (packet_id)'],
    ['a user has a packet of each number once (5)', 'grants', 'UNIQUE (account_id, event_id, ordinal)'],
    ['numbers end at the limit (5)', 'grants', 'CHECK (((ordinal >= 1) AND (ordinal <= per_user_max)))'],
    ['a user has one packet of a sponsor (5)', 'grants', 'UNIQUE (account_id, event_id, sponsor_no)'],
    ['a ticket is denied once (7)', 'denials', 'PRIMARY KEY (packet_id, epoch, account_id)'],
    ['a transfer has a deterministic id (7, 8)', 'transfers', 'PRIMARY KEY (kind, ref, portion)'],
    ['a transfer moves something (8)', 'transfers', 'CHECK ((amount_fen > 0))'],
    ['a wallet is never in debt (8)', 'accounts', 'CHECK ((balance_fen >= 0))'],
    ['a portion is given once (7)', 'grabs', 'PRIMARY KEY (packet_id, portion)'],
    ['a friend grabs a share once (7)', 'grabs', 'UNIQUE (account_id, packet_id)'],
    ['only what is granted is shared', 'grabs', 'FOREIGN KEY (packet_id) REFERENCES grants(packet_id)'],
    ['no more blocks than planned are stocked', 'pools', 'CHECK (((next_block >= 0) AND (next_block <= block_count)))'],
  ])('%s', async (_what, table, definition) => {
    const definitions = await textRows(
      'SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass',
      [table],
    );
    expect(definitions).toContain(definition);
  });

  it('no foreign key leads to a row that lanes share: event, sponsor, pool, block', async () => {
    const hot = await textRows(
      `SELECT conrelid::regclass || ' -> ' || confrelid::regclass FROM pg_constraint
       WHERE contype = 'f' AND conrelid IN ('denials'::regclass, 'grants'::regclass, 'grabs'::regclass, 'transfers'::regclass)
       ORDER BY 1`,
    );
    expect(hot).toEqual(['denials -> accounts', 'grabs -> accounts', 'grabs -> grants', 'grants -> accounts']);
  });
});
