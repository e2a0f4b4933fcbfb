/** `npm run restore -- --from DIR`: a new DATA_DIR from a backup (docs/backup.md). */
import { OptionsError, parseRestoreOptions, type RestoreOptions, restoreUsage } from './backup/options.ts';
import { type Restored, restoreBackup } from './backup/restore-backup.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

try {
  const options = parseRestoreOptions(process.argv.slice(2), process.env);
  if (options === 'help') say(restoreUsage);
  else report(options, await restoreBackup(options, say));
} catch (error) {
  process.exitCode = 1;
  const hint = error instanceof OptionsError ? `\n${restoreUsage}` : '';
  process.stderr.write(`not restored: ${describe(error)}${hint}\n`);
}

function report(options: RestoreOptions, { manifest, keptApart }: Restored): void {
  if (keptApart !== undefined) {
    const { retired, skipped } = keptApart;
    say(
      `kept apart from what came after the backup: ${retired} blocks retired, ${skipped} blocks not to be stocked any more`,
    );
  }
  if (options.hasExternalRedis) {
    say(
      'REDIS_URL is set: empty that Redis (FLUSHALL) before the first start; what it holds belongs to another history',
    );
  }
  say(`restored to ${options.dataDir}: everything that was committed by ${manifest.consistentAt}`);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${error.message}${cause}`;
}
