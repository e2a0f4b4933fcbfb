/** `npm run migrate`: applies the migrations that the database of DATABASE_URL lacks. */
import { join } from 'node:path';
import { applyMigrations } from '#libs/database';
import { projectRoot } from './stack/project-root.ts';

const databaseUrl = process.env['DATABASE_URL'];
if (databaseUrl === undefined || databaseUrl === '') {
  process.stderr.write('DATABASE_URL: is missing\n');
  process.exit(1);
}
try {
  const applied = await applyMigrations(databaseUrl, join(projectRoot, 'prisma', 'migrations'));
  for (const name of applied) process.stdout.write(`applied ${name}\n`);
  process.stdout.write(applied.length === 0 ? 'nothing to apply\n' : `${applied.length} applied\n`);
} catch (error) {
  process.stderr.write(
    `not migrated: ${error instanceof Error ? error.message || String(error.cause) : String(error)}\n`,
  );
  process.exit(1);
}
