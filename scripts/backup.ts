/** `npm run backup -- --to DIR`: PostgreSQL and the secrets of DATA_DIR, while the system runs or not (docs/backup.md). */
import { bytesOf } from './backup/manifest.ts';
import { backupUsage, OptionsError, parseBackupOptions } from './backup/options.ts';
import { takeBackup } from './backup/take-backup.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

try {
  const options = parseBackupOptions(process.argv.slice(2), process.env);
  if (options === 'help') say(backupUsage);
  else {
    const startedAt = performance.now();
    const manifest = await takeBackup(options, say);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const megabytes = (bytesOf(manifest) / 1e6).toFixed(1);
    if (!manifest.dataDir.files.some(({ path }) => path === 'secrets.json')) {
      say(`${options.dataDir} has no secrets.json: keep the keys that the services are given by environment`);
    }
    say(
      `backed up to ${options.to}: ${megabytes} MB in ${seconds} s, with all that was committed by ${manifest.consistentAt}`,
    );
  }
} catch (error) {
  process.exitCode = 1;
  const hint = error instanceof OptionsError ? `\n${backupUsage}` : '';
  process.stderr.write(`not backed up: ${error instanceof Error ? error.message : String(error)}${hint}\n`);
}
