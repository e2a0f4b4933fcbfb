// docs/degradation.md is what the catalogue says.
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { renderDegradationPage } from './page.ts';

it('docs/degradation.md equals the page made from the catalogue', async () => {
  const page = await readFile(new URL('../../../docs/degradation.md', import.meta.url), 'utf8');
  expect(page).toBe(renderDegradationPage());
});
