import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorCatalogue, errorCodes, problemOf, renderErrorsPage } from './errors.ts';
import { opsRoutes, publicRoutes } from './routes.ts';

describe('error catalogue', () => {
  it('is what docs/errors.md says, word for word', () => {
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
    expect(page).toBe(renderErrorsPage());
  });

  it('gives every retryable problem a time to come back, and no other', () => {
    for (const code of errorCodes) {
      expect(problemOf(code).retryAfterMs !== undefined, code).toBe(errorCatalogue[code].retryable);
    }
  });

  it('has no code that no route answers, but those that any route may', () => {
    const anyRoute = ['not_found', 'internal'];
    const answered = new Set([...publicRoutes, ...opsRoutes].flatMap((route) => route.errors as readonly string[]));
    expect(errorCodes.filter((code) => !answered.has(code)).sort()).toEqual(anyRoute.sort());
  });
});
