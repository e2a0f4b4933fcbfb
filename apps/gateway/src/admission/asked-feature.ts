import { type FeatureKey, featureOf, type ShedClass } from '#libs/degradation';

/** By the last word of the path, where that tells it. */
const byEnding: Readonly<Record<string, FeatureKey>> = {
  share: 'share_creation',
  grab: 'grabs',
  leaderboard: 'leaderboard',
  feed: 'feed',
  wallet: 'wallet',
  shake: 'shakes',
};

/**
 * The feature of the catalogue that a request asks for; undefined for what is always answered (health, documents, the page) and what is
 * no route. `path`: with or without a query.
 */
export function featureAskedBy(method: string, path: string): FeatureKey | undefined {
  if (!path.startsWith('/v1/')) return undefined;
  const queryAt = path.indexOf('?');
  const parts = (queryAt < 0 ? path : path.slice(0, queryAt)).split('/');
  const [, , kind = '', id = '', rest] = parts;
  const ending = parts.at(-1) ?? '';
  switch (kind) {
    case 'packets':
      if (method === 'POST' && id === 'open') return 'opens';
      return rest === undefined ? 'status' : byEnding[ending];
    case 'me':
      return byEnding[id] ?? 'history';
    case 'shares':
      return rest === undefined ? 'share_pages' : byEnding[ending];
    case 'sessions':
      return 'guest_sessions';
    case 'events':
      // without the event nobody shakes
      return rest === undefined ? 'shakes' : byEnding[ending];
    default:
      return undefined;
  }
}

/** How important that is. */
export function importanceOf(method: string, path: string): ShedClass | undefined {
  const feature = featureAskedBy(method, path);
  return feature === undefined ? undefined : (featureOf(feature).class as ShedClass);
}
