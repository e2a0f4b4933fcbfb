import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from '../pool.ts';

const pollMs = 5;
const pollsMax = 2_000;

/** Resolves once `count` connections of this database, in a statement that matches, wait for a lock. */
export async function whenBlocked(pool: Pool, statement: string, count = 1): Promise<void> {
  for (let poll = 0; poll < pollsMax; poll++) {
    const { rows } = await pool.query<{ blocked: number }>(
      `SELECT count(*)::int AS blocked FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ $1`,
      [statement],
    );
    if (rows[0]!.blocked >= count) return;
    await delay(pollMs);
  }
  throw new Error(`no connection waits for a lock in ${statement}`);
}
