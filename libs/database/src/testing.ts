/** Databases for tests: each test file gets its own, cloned from one that was migrated once. */
import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import { applyMigrations } from './migrations.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';
import { createPrisma, type PrismaClient } from './prisma.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Administrator's url of the run's one PostgreSQL: tests make databases of their own in it. */
    postgresUrl: string;
  }
}

export interface TestDatabase {
  readonly url: string;
  /** Of this database; for more, or other settings, use `openPool`. */
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  /** A further pool; `drop` ends it. */
  openPool(options?: Partial<PoolOptions>): Pool;
  /** Ends the pools and drops the database. Rejects when a connection that is not ours is still open: a leak. */
  drop(): Promise<void>;
}

export const migrationsDirectory = join(import.meta.dirname, '..', '..', '..', 'prisma', 'migrations');

/** One test file's worth of connections, and time for a busy machine. */
const poolDefaults = { applicationName: 'test', max: 16, statementTimeoutMs: 30_000, connectionTimeoutMs: 20_000 };

/** A migrated, empty database of its own. Call `drop` in `afterAll`. */
export async function createTestDatabase(serverUrl: string = inject('postgresUrl')): Promise<TestDatabase> {
  const template = `hongbao_template_${fingerprint()}`;
  const name = `hongbao_test_${randomUUID().replaceAll('-', '')}`;
  await administer(serverUrl, async (client) => {
    await makeTemplate(client, serverUrl, template);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  });
  return testDatabase(serverUrl, name);
}

/** An empty database without any tables. */
export async function createBareDatabase(serverUrl: string = inject('postgresUrl')): Promise<TestDatabase> {
  const name = `hongbao_test_${randomUUID().replaceAll('-', '')}`;
  await administer(serverUrl, async (client) => {
    await client.query(`CREATE DATABASE ${name}`);
  });
  return testDatabase(serverUrl, name);
}

function testDatabase(serverUrl: string, name: string): TestDatabase {
  const url = urlOf(serverUrl, name);
  const pools: Pool[] = [];
  const openPool = (options: Partial<PoolOptions> = {}) => {
    const pool = createPool({ ...poolDefaults, connectionString: url, ...options });
    pools.push(pool);
    return pool;
  };
  const prisma = createPrisma({ ...poolDefaults, connectionString: url, max: 2 });
  const drop = async () => {
    await prisma.$disconnect();
    await Promise.all(pools.map((pool) => pool.end()));
    // waits a few seconds for connections that are being closed
    await administer(serverUrl, async (client) => {
      await client.query(`DROP DATABASE ${name}`);
    });
  };
  return { url, pool: openPool(), prisma, openPool, drop };
}

/** Made under another name and renamed, so that it is whole when it is there; the lock lets one worker make it. */
async function makeTemplate(client: pg.Client, serverUrl: string, template: string): Promise<void> {
  await client.query("SELECT pg_advisory_lock(hashtext('hongbao test template'))");
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [template]);
  if (rowCount === 0) {
    const draft = `${template}_draft`;
    await client.query(`DROP DATABASE IF EXISTS ${draft}`);
    await client.query(`CREATE DATABASE ${draft}`);
    await applyMigrations(urlOf(serverUrl, draft), migrationsDirectory);
    await client.query(`ALTER DATABASE ${draft} RENAME TO ${template}`);
  }
  await client.query("SELECT pg_advisory_unlock(hashtext('hongbao test template'))");
}

async function administer(serverUrl: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: urlOf(serverUrl, 'postgres'), connectionTimeoutMillis: 20_000 });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

/** Of all migrations: other ones need another template. */
function fingerprint(): string {
  const hash = createHash('sha256');
  for (const path of readdirSync(migrationsDirectory, { recursive: true, encoding: 'utf8' }).sort()) {
    if (path.endsWith('.sql')) hash.update(path).update(readFileSync(join(migrationsDirectory, path)));
  }
  return hash.digest('hex').slice(0, 16);
}
