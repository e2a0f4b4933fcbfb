import { join } from 'node:path';
import { applyMigrations, createPool } from '#libs/database';
import { type LocalServer, startPostgres } from '#libs/localservers';
import { projectRoot } from '../../stack/project-root.ts';
import type { BenchContext } from '../frame/suite.ts';

const statementTimeoutMs = 60_000;

/** A PostgreSQL as `npm start` starts it, with ledgers side by side: what is compared has the same server, memory and disk. */
export class Ledgers {
  private constructor(readonly server: LocalServer) {}

  static async start(context: BenchContext): Promise<Ledgers> {
    return new Ledgers(await startPostgres({ dataDir: join(context.dir, 'ledgers'), say: context.say }));
  }

  /** A migrated, empty database; its url. */
  async create(name: string): Promise<string> {
    await this.administer(`CREATE DATABASE ${name}`);
    const url = new URL(this.server.url);
    url.pathname = `/${name}`;
    await applyMigrations(url.href, join(projectRoot, 'prisma', 'migrations'));
    return url.href;
  }

  async drop(name: string): Promise<void> {
    await this.administer(`DROP DATABASE ${name} WITH (FORCE)`);
  }

  async close(): Promise<void> {
    await this.server.stop();
  }

  private async administer(sql: string): Promise<void> {
    const pool = createPool({
      connectionString: this.server.url,
      applicationName: 'benchmark ledgers',
      max: 1,
      statementTimeoutMs,
    });
    try {
      await pool.query(sql);
    } finally {
      await pool.end();
    }
  }
}
