import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `npm ci` when what is installed is not what package-lock.json says. */
export function installWhenStale(root) {
  if (isInstalled(root)) return;
  process.stdout.write('installing the packages of package-lock.json …\n');
  const npmCli = process.env.npm_execpath;
  const [command, first] = npmCli === undefined ? ['npm', []] : [process.execPath, [npmCli]];
  // Development packages hold the compiler: they are needed whatever NODE_ENV says.
  const args = [...first, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const run = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (run.error !== undefined) throw new Error(`npm cannot be run: ${run.error.message}`);
  if (run.status !== 0) throw new Error(`npm ci failed (exit ${run.status})`);
}

/** npm keeps a lock file of what it installed: each package must be of the locked version, and none but optional ones absent. */
function isInstalled(root) {
  const kept = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(kept)) return false;
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const installed = packagesOf(kept);
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const present = installed[path];
    if (present === undefined) return entry.optional === true || entry.devOptional === true;
    return present.version === entry.version;
  });
}

function packagesOf(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}
