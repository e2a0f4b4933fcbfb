/** Part of `npm run build`: bundles the web pages of apps/console, each into one file that loads nothing else. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const source = 'apps/console/src';
const target = join(process.argv[2] ?? 'dist', 'apps', 'console');

async function bundle(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [join(source, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    conditions: ['source'],
    legalComments: 'none',
  });
  return result.outputFiles[0]!.text;
}

/** Text that may stand inside an HTML `script` or `style` element: it must not end the element. */
const inline = (text: string): string => text.replaceAll('</', '<\\/');

const [script, style] = await Promise.all([bundle('play.ts'), bundle('play.css')]);
const page = readFileSync(join(source, 'play.html'), 'utf8')
  .replace('/*style*/', () => style)
  .replace('/*script*/', () => inline(script));
mkdirSync(target, { recursive: true });
writeFileSync(join(target, 'play.html'), page);
