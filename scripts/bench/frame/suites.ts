import { opensSuite } from '../opens/opens-suite.ts';
import { overloadSuite } from '../overload/overload-suite.ts';
import { shakesSuite } from '../shakes/shakes-suite.ts';
import { startSuite } from '../start/start-suite.ts';
import { stormSuite } from '../storm/storm-suite.ts';
import type { Suite } from './suite.ts';

/** Every suite of `npm run bench`, in the order in which they run. */
export const suites: readonly Suite[] = [shakesSuite, opensSuite, overloadSuite, stormSuite, startSuite];
