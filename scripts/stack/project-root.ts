import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of package.json: `scripts` and `dist/scripts` lie at different depths below it. */
export const projectRoot = findRoot(import.meta.dirname);

function findRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error(`${import.meta.dirname} lies in no project`);
  return findRoot(parent);
}
