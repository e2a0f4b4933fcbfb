/**
 * The first step of every npm script, on a bare Node: installs and builds what is missing or stale, then runs the compiled script.
 *
 *   node scripts/bootstrap.mjs start [arguments]       dist/scripts/start.js
 *   node scripts/bootstrap.mjs apps/gateway            dist/apps/gateway/src/main.js
 *   node scripts/bootstrap.mjs build                   nothing more
 *
 * Plain JavaScript without dependencies: it runs before there is anything else.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildWhenStale } from './bootstrap/build.mjs';
import { installWhenStale } from './bootstrap/install.mjs';
import { withLock } from './bootstrap/lock.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const oldestNode = [20, 19];

const [target = 'build', ...args] = process.argv.slice(2);
const program = target.startsWith('apps/')
  ? join(root, 'dist', target, 'src', 'main.js')
  : join(root, 'dist', 'scripts', `${target}.js`);

try {
  checkNode();
  await withLock(root, () => {
    installWhenStale(root);
    buildWhenStale(root);
  });
} catch (error) {
  fail(error);
}
if (target !== 'build') {
  if (!existsSync(program)) fail(new Error(`There is no script "${target}"`));
  process.argv = [process.execPath, program, ...args];
  await import(pathToFileURL(program).href);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = oldestNode;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new Error(`Hongbao needs Node ${oldestNode.join('.')} or newer; this is ${process.versions.node}`);
}

/** `npm test` ends with its counts whatever happens. */
function fail(error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  if (target === 'test') process.stdout.write('0 passed, 1 failed\n');
  process.exit(1);
}
