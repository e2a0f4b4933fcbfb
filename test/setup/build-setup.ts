import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** Cross-process tests run what is built: it is brought up to date first. */
export default function setup(): void {
  execFileSync(process.execPath, [join(root, 'scripts', 'bootstrap.mjs'), 'build'], { cwd: root, stdio: 'inherit' });
}
