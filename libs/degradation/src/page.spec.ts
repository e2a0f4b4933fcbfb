// The pages about degradation are what the catalogues say.
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { renderControlPage } from './control-page.ts';
import { renderDegradationPage } from './page.ts';

it.each([
  ['docs/degradation.md', 'features', renderDegradationPage],
  ['docs/degradation-control.md', 'signals', renderControlPage],
] as const)('%s equals the page made from the %s', async (path, _catalogue, render) => {
  const page = await readFile(new URL(`../../../${path}`, import.meta.url), 'utf8');
  expect(page).toBe(render());
});
