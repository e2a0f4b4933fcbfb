import { suiteOf } from '../frame/suite.ts';
import { fullPart } from './full.ts';
import { latencyPart } from './latency.ts';
import { OpensStage } from './opens-stage.ts';
import { ratePart } from './rate.ts';
import { rebuildPart } from './rebuild.ts';
import { reconcilePart } from './reconcile.ts';
import { sqlPart } from './sql.ts';

/** What the way of an open to its money takes, end to end, and how the system comes back when Redis is lost. */
export const opensSuite = suiteOf<OpensStage>({
  name: 'opens',
  about: 'credited opens end to end, beside the database alone and beside a full ledger; lost Redis; reconciliation',
  open: (context) => OpensStage.open(context),
  parts: [ratePart, latencyPart, sqlPart, fullPart, rebuildPart, reconcilePart],
});
