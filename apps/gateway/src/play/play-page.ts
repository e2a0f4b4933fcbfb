import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Built beside the compiled services: dist/apps/console/play.html. */
const builtPage = new URL('../../../console/play.html', import.meta.url);

export interface PlayPage {
  readonly html: string;
  /** `connect`: other origins that it may call. */
  readonly contentSecurityPolicy: (connect: readonly string[]) => string;
}

/** The page that shakes, read once; undefined where it was not built. */
export function readPlayPage(): PlayPage | undefined {
  let html: string;
  try {
    html = readFileSync(builtPage, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  return { html, contentSecurityPolicy: policyOf(html) };
}

/** Allows the very scripts and styles that stand in the page, and nothing from elsewhere but these origins. */
export function policyOf(html: string): PlayPage['contentSecurityPolicy'] {
  const scripts = hashesOf(html, 'script').join(' ');
  const styles = hashesOf(html, 'style').join(' ');
  return (connect) =>
    [
      "default-src 'none'",
      `script-src ${scripts}`,
      `style-src ${styles}`,
      ["connect-src 'self'", ...connect].join(' '),
      "img-src 'self' data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; ');
}

function hashesOf(html: string, tag: 'script' | 'style'): string[] {
  const bodies = [...html.matchAll(new RegExp(`<${tag}[^>]*>([\\s\\S]*?)</${tag}>`, 'g'))].map((match) => match[1]!);
  const hashes = bodies.map((body) => `'sha256-${createHash('sha256').update(body).digest('base64')}'`);
  return hashes.length > 0 ? hashes : ["'none'"];
}
