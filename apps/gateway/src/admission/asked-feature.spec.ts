import { describe, expect, it } from 'vitest';
import { publicRoutes } from '#libs/contracts';
import { featureKeys } from '#libs/degradation';
import { featureAskedBy, importanceOf } from './asked-feature.ts';

const asked = publicRoutes.map(({ method, path }) => ({
  route: `${method} ${path}`,
  method,
  path: path.replaceAll(/:\w+/g, '7'),
}));

describe('the feature that a request asks for', () => {
  it('is known of every route of the contract but the ones that are always answered', () => {
    const always = asked.filter(({ method, path }) => featureAskedBy(method, path) === undefined);
    expect(always.map(({ path }) => path).sort()).toEqual(['/docs', '/livez', '/openapi.json', '/play', '/readyz']);
  });

  it('is every feature of the catalogue that is asked for by itself', () => {
    const found = new Set(asked.map(({ method, path }) => featureAskedBy(method, path)));
    // these two are parts of other answers
    expect(featureKeys.filter((key) => !found.has(key))).toEqual(['event_details', 'share_grab_list']);
  });

  it.each([
    ['POST', '/v1/packets/open', 'open'],
    ['GET', '/v1/packets/7?receipt=open', 'reads'],
    ['GET', '/v1/packets/open', 'reads'],
    ['POST', '/v1/packets/7/share', 'share'],
    ['GET', '/v1/me/packets?cursor=c', 'reads'],
    ['GET', '/v1/me/wallet', 'reads'],
    ['GET', '/v1/shares/token', 'reads'],
    ['POST', '/v1/shares/token/grab', 'grab'],
    ['GET', '/v1/events', 'shake'],
    ['POST', '/v1/events/7/shake', 'shake'],
    ['GET', '/v1/events/7', 'shake'],
    ['GET', '/v1/events/7/leaderboard', 'extras'],
    ['GET', '/v1/events/7/feed', 'extras'],
    ['POST', '/v1/sessions', 'reads'],
    ['GET', '/readyz', undefined],
    ['GET', '/v1/nothing', undefined],
    ['GET', '/v1/packets/7/nothing', undefined],
  ])('%s %s is %s', (method, path, importance) => {
    expect(importanceOf(method, path)).toBe(importance);
  });
});
