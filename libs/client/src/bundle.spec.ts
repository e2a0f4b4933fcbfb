import { build } from 'esbuild';
import { expect, it } from 'vitest';

it('bundles for a browser without Node built-ins or schemas', async () => {
  const { outputFiles, warnings } = await build({
    entryPoints: [new URL('./index.ts', import.meta.url).pathname],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['source'],
    logLevel: 'silent',
  });
  expect(warnings).toEqual([]);
  const code = outputFiles[0]?.text ?? '';
  expect(code).toContain('HongbaoClient');
  expect(code).not.toMatch(/node:|zod|require\(/i);
});
