/** `npm run docs`: writes the pages that are made from catalogues in the code. Tests hold page and catalogue equal. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderErrorsPage } from '#libs/contracts';
import { renderControlPage, renderDegradationPage } from '#libs/degradation';

const pages: Readonly<Record<string, () => string>> = {
  'docs/errors.md': renderErrorsPage,
  'docs/degradation.md': renderDegradationPage,
  'docs/degradation-control.md': renderControlPage,
};

for (const [path, render] of Object.entries(pages)) {
  writeFileSync(join(process.cwd(), path), render());
  process.stdout.write(`${path} written\n`);
}
