import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { expect, it } from 'vitest';

const run = promisify(execFile);

/** Proves that a process with this module has another wall clock, in all its forms, that it jumps while it runs, and that elapsed time stays true. */
it('shifts Date, and nothing else', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'hongbao-clock-'));
  const source = join(import.meta.dirname, 'shifted-clock.ts');
  const module = pathToFileURL(join(dir, 'clock.mjs'));
  const { readFile } = await import('node:fs/promises');
  const { code } = await transform(await readFile(source, 'utf8'), { loader: 'ts', format: 'esm' });
  await writeFile(module, code);
  const file = join(dir, 'shift');
  await writeFile(file, '3600000');
  module.searchParams.set('file', file);
  const program = `
    import { writeFileSync } from 'node:fs';
    const hours = (ms) => Math.round((ms - performance.timeOrigin - performance.now()) / 360000) / 10;
    const before = [Date.now(), new Date().getTime(), Date.parse(Date())].map(hours);
    const fixed = [new Date(5).getTime(), new Date(2020, 0).getFullYear(), Date.UTC(1970, 0), new Date() instanceof Date];
    writeFileSync(${JSON.stringify(file)}, '-7200000');
    while (hours(Date.now()) !== -2) await new Promise((resolve) => setTimeout(resolve, 10));
    console.log(JSON.stringify({ before, fixed }));`;
  const args = ['--import', module.href, '--input-type=module', '--eval', program];
  const { stdout } = await run(process.execPath, args, { timeout: 20_000 });
  await rm(dir, { recursive: true });
  expect(JSON.parse(stdout)).toEqual({ before: [1, 1, 1], fixed: [5, 2020, 0, true] });
});
