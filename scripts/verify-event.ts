/** `npm run verify-event -- ID`: an auditor recomputes every amount of a settled event (docs/verify-event.md). */
import { join } from 'node:path';
import { createPool } from '#libs/database';
import { findPostgres } from '#libs/localservers';
import { OptionsError, parseOptions, usage, type VerifyOptions } from './verify-event/options.ts';
import type { PoolSums } from './verify-event/pool-audit.ts';
import { type Verdict, verifyEvent } from './verify-event/verify.ts';

/** Counting the rows of a table of a hundred million is the longest statement. */
const statementTimeoutMs = 30 * 60_000;
const connectionTimeoutMs = 10_000;
const progressMs = 10_000;
const exitCodes = { verified: 0, different: 1, not_verifiable: 2 } as const;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

try {
  const options = parseOptions(process.argv.slice(2), process.env);
  process.exitCode = options === 'help' ? sayUsage() : await run(options);
} catch (error) {
  process.exitCode = exitCodes.not_verifiable;
  const hint = error instanceof OptionsError ? `\n${usage}` : '';
  process.stderr.write(
    `not verified: ${error instanceof Error ? error.message || error.name : String(error)}${hint}\n`,
  );
}

function sayUsage(): number {
  say(usage);
  return 0;
}

async function run(options: VerifyOptions): Promise<number> {
  const pool = createPool({
    connectionString: await databaseUrlOf(options),
    applicationName: 'hongbao-verify-event',
    max: 1,
    statementTimeoutMs,
    connectionTimeoutMs,
  });
  const startedAt = performance.now();
  let rows = 0;
  const rate = () => {
    const seconds = (performance.now() - startedAt) / 1000;
    return `${rows} rows of the ledger in ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s`;
  };
  const progress = setInterval(() => say(rate()), progressMs);
  const onRows = (more: number) => {
    rows += more;
  };
  try {
    const verdict = await verifyEvent(pool, { eventId: options.eventId, noted: options.commitment, onRows });
    for (const line of linesOf(options.eventId, verdict, rate())) say(line);
    return exitCodes[verdict.verdict];
  } finally {
    clearInterval(progress);
    await pool.end();
  }
}

async function databaseUrlOf({ databaseUrl, dataDir }: VerifyOptions): Promise<string> {
  if (databaseUrl !== undefined) return databaseUrl;
  const found = await findPostgres(join(dataDir, 'postgres'));
  if (found?.url !== undefined) return found.url;
  throw new Error(`no PostgreSQL runs on ${dataDir}: set DATABASE_URL, or DATA_DIR to that of a running npm start`);
}

function linesOf(eventId: number, verdict: Verdict, rate: string): string[] {
  switch (verdict.verdict) {
    case 'verified':
      return [
        ...verdict.pools.map(sumsLine),
        `commitment ${verdict.commitment} = H(secret, plan)`,
        rate,
        lastLine(eventId, verdict.pools),
      ];
    case 'different':
      return [`different: ${verdict.difference}`];
    case 'not_verifiable':
      return [`not verified: ${verdict.why}`];
  }
}

function sumsLine({ poolId, fundedFen, grantedFen, grabbedFen, refundedFen, unclaimedFen }: PoolSums): string {
  return `pool ${poolId}: budget ${fundedFen} = granted ${grantedFen} + grabbed ${grabbedFen} + refunded ${refundedFen} + unclaimed ${unclaimedFen}`;
}

function lastLine(eventId: number, pools: readonly PoolSums[]): string {
  const [grants, grabs] = [sumOf(pools, 'grants'), sumOf(pools, 'grabs')];
  return `verified: event ${eventId}, ${grants} grants and ${grabs} grabs in ${pools.length} pools are as derived`;
}

function sumOf(pools: readonly PoolSums[], field: 'grants' | 'grabs'): number {
  return pools.reduce((sum, pool) => sum + pool[field], 0);
}
