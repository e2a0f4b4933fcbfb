import { suiteOf } from '../frame/suite.ts';
import { besidePart } from './beside.ts';
import { outagePart } from './outage.ts';
import { StormStage } from './storm-stage.ts';

/** What a crowd of phones with the SDK does to a system that something is missing from, and what it notices of that. */
export const stormSuite = suiteOf<StormStage>({
  name: 'storm',
  about: 'phones with the SDK while the share service hangs, and through half a minute without Redis',
  open: (context) => StormStage.open(context),
  parts: [besidePart, outagePart],
});
