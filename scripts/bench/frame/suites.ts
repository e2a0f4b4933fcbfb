import { opensSuite } from '../opens/opens-suite.ts';
import { shakesSuite } from '../shakes/shakes-suite.ts';
import type { Suite } from './suite.ts';

/** Every suite of `npm run bench`, in the order in which they run. */
export const suites: readonly Suite[] = [shakesSuite, opensSuite];
