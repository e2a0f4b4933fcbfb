import { suiteOf } from '../frame/suite.ts';
import { coldPart } from './cold.ts';
import { commandsPart } from './commands.ts';
import { costPart } from './cost.ts';
import { latencyPart } from './latency.ts';
import { memoryPart } from './memory.ts';
import { pacePart } from './pace.ts';
import { ratePart } from './rate.ts';
import { scriptPart } from './script.ts';
import { ShakesStage } from './shakes-stage.ts';

/** What a shake costs, and what a gateway holds out. */
export const shakesSuite = suiteOf<ShakesStage>({
  name: 'shakes',
  about: 'a shake beside bare node:http and beside a Redis script per shake; latency, memory, pacing',
  open: (context) => ShakesStage.open(context),
  parts: [ratePart, scriptPart, latencyPart, costPart, coldPart, commandsPart, memoryPart, pacePart],
});
