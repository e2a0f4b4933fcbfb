import { describe, expect, it } from 'vitest';
import { inheritedFrom } from './admission.guard.ts';

describe('what a forwarded request inherits', () => {
  it('is the importance and the priority that the gateway gave it', () => {
    expect(inheritedFrom('grab 0.25', '/internal/v1/shares/t')).toEqual({ importance: 'grab', priority: 0.25 });
    expect(inheritedFrom('extras 0', '/internal/v1/shares/t/grab')).toEqual({ importance: 'extras', priority: 0 });
  });

  it.each([
    [undefined, '/internal/v1/shares/t/grab', 'grab'],
    [undefined, '/internal/v1/shares/t', 'reads'],
    ['settle 0.1', '/internal/v1/events/1/feed', 'extras'],
    ['grab 1', '/internal/v1/events/1/leaderboard', 'extras'],
    ['grab', '/internal/v1/shares/t', 'reads'],
    ['grab NaN', '/internal/v1/shares/t', 'reads'],
    ['grab -1', '/internal/v1/shares/t', 'reads'],
  ])('of %s at %s is by the path', (header, url, importance) => {
    const inherited = inheritedFrom(header, url);
    expect(inherited.importance).toBe(importance);
    expect(inherited.priority).toBeGreaterThanOrEqual(0);
    expect(inherited.priority).toBeLessThan(1);
  });
});
