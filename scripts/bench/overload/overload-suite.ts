import { suiteOf } from '../frame/suite.ts';
import { modePart } from './mode.ts';
import { OverloadStage } from './overload-stage.ts';

/** More shakes than a process can take, beside opens that must not notice. */
export const overloadSuite = suiteOf<OverloadStage>({
  name: 'overload',
  about: 'a multiple of the capacity from clients that obey nobody, beside opens and reads; roles apart and together',
  open: (context) => OverloadStage.open(context),
  parts: [modePart(true), modePart(false)],
});
