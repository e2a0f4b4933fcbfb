import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * prisma/migrations of this program: sources and `dist` lie at different depths below the folder that has it.
 * @throws Error when the program was installed without them.
 */
export function findMigrations(from: string = import.meta.dirname): string {
  const candidate = join(from, 'prisma', 'migrations');
  if (existsSync(candidate)) return candidate;
  const parent = dirname(from);
  if (parent === from) throw new Error('prisma/migrations is missing beside this program');
  return findMigrations(parent);
}
