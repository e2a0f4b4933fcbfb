import type { Db } from './pool.ts';

/** Ways to run a statement that can be forbidden; see PostgreSQL's "Planner Method Configuration". */
export type PlannerSetting = 'enable_bitmapscan' | 'enable_nestloop' | 'enable_seqscan' | 'enable_sort';

/**
 * Forbids or allows ways to run the statements that follow in this transaction; does nothing outside of one. For statements whose
 * right plan is known, while the statistics may be missing (right after a burst) or mislead.
 */
export async function setPlanner(
  db: Db,
  settings: Readonly<Partial<Record<PlannerSetting, 'on' | 'off'>>>,
): Promise<void> {
  const entries = Object.entries(settings);
  const calls = entries.map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, true)`);
  await db.query(`SELECT ${calls.join(', ')}`, entries.flat());
}
