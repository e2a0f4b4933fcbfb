import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { policyOf } from './play-page.ts';

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

describe('the policy of the page', () => {
  it('allows the scripts and styles that stand in it, the addresses it may call, and nothing else', () => {
    const html = '<style>body{}</style><script type="module">shake()\n</script><p>text</p>';
    const policy = policyOf(html)(['http://127.0.0.1:3001']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`script-src ${hashOf('shake()\n')};`);
    expect(policy).toContain(`style-src ${hashOf('body{}')};`);
    expect(policy).toContain("connect-src 'self' http://127.0.0.1:3001;");
    expect(policy).not.toContain('unsafe');
  });

  it('allows none where there is none', () => {
    expect(policyOf('<p>text</p>')([])).toContain("script-src 'none'; style-src 'none'; connect-src 'self';");
  });
});
