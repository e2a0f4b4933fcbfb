import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const sourceDirs = ['apps', 'libs', 'scripts'];
const schemaFiles = ['prisma/schema.prisma', 'prisma.config.ts', 'package-lock.json'];
const settingFiles = ['tsconfig.json', 'tsconfig.build.json', ...schemaFiles];
const skippedDirs = new Set(['generated', 'node_modules', 'dist']);
/** Read at run time by the code beside them; the web pages of the console are bundled instead. */
const isAsset = (path) => /\.(sql|lua|html|json|css|svg)$/.test(path) && !path.startsWith('apps/console/');
const outputMax = 4_000;

/** Makes `dist` from the sources: the Prisma client, then JavaScript. A new folder replaces the old one in one step. */
export function buildWhenStale(root) {
  generateWhenStale(root);
  const fingerprint = fingerprintOf(root, [...sourceFiles(root), ...settingFiles]);
  if (stampOf(join(root, 'dist', '.built')) === fingerprint) return;
  process.stdout.write('building …\n');
  const draft = join(root, 'node_modules', '.cache', 'hongbao-build');
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  run(root, binary(root, 'tsc'), ['-p', 'tsconfig.build.json', '--outDir', draft]);
  run(root, process.execPath, [join(draft, 'scripts', 'build-console.js'), draft]);
  for (const path of sourceFiles(root).filter(isAsset)) cpSync(join(root, path), join(draft, path));
  writeFileSync(join(draft, '.built'), fingerprint);
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  renameSync(draft, join(root, 'dist'));
}

/** The client is made offline: prisma's schema engine is a download that only its `migrate` would need. */
function generateWhenStale(root) {
  const output = join(root, 'libs', 'database', 'src', 'generated');
  const fingerprint = fingerprintOf(root, schemaFiles);
  if (stampOf(join(output, '.built')) === fingerprint) return;
  run(root, binary(root, 'prisma'), ['generate'], {
    PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  });
  writeFileSync(join(output, '.built'), fingerprint);
}

function binary(root, tool) {
  return join(root, 'node_modules', '.bin', tool);
}

function run(root, command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8' });
  if (result.error !== undefined) throw new Error(`${command} cannot be run: ${result.error.message}`);
  if (result.status === 0) return;
  throw new Error(
    `${command} ${args[0]} failed (exit ${result.status}):\n${`${result.stdout}${result.stderr}`.slice(0, outputMax)}`,
  );
}

/** Paths from the root, sorted; tests are not built. */
function sourceFiles(root) {
  return sourceDirs
    .flatMap((dir) => filesUnder(root, dir))
    .filter((path) => !/\.(int-|e2e-)?spec\.ts$/.test(path))
    .sort();
}

function filesUnder(root, dir) {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = `${dir}/${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return skippedDirs.has(entry.name) ? [] : filesUnder(root, path);
  });
}

function fingerprintOf(root, paths) {
  const hash = createHash('sha256').update(process.version);
  for (const path of paths) {
    const { size, mtimeMs } = statSync(join(root, path));
    hash.update(`${path}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

function stampOf(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
