/** A driver process: does the plan in its argument, tells its parent how it went, and ends. */
import { loadByArrivals } from './arrivals-load.ts';
import { loadBeside } from './beside-load.ts';
import { loadByCrowd } from './crowd-load.ts';
import { loadByImpatience } from './impatient-load.ts';
import { loadOnce } from './once-load.ts';
import { loadOpens } from './opens-load.ts';
import type { DriverMessage, DriverOrder, DriverPhase, DriverPlan, DriverResult } from './plans.ts';

process.on('disconnect', () => process.exit(1));
const tell = (message: DriverMessage): Promise<void> =>
  new Promise((resolve) => process.send!(message, () => resolve()));

const stopping = new AbortController();
process.on('message', ({ kind }: DriverOrder) => {
  if (kind === 'stop') stopping.abort();
});

const plan = JSON.parse(process.argv[2]!) as DriverPlan;
await tell({ kind: 'done', result: await load(plan, (kind) => void tell({ kind })) });
process.exit();

function load(todo: DriverPlan, onPhase: (phase: DriverPhase) => void): Promise<DriverResult<DriverPlan>> {
  const onStarted = (): void => onPhase('started');
  switch (todo.mode) {
    case 'arrivals':
      return loadByArrivals(todo, onStarted);
    case 'crowd':
      return loadByCrowd(todo, onStarted);
    case 'once':
      return loadOnce(todo, onStarted);
    case 'opens':
      return loadOpens(todo, onPhase);
    case 'impatient':
      return loadByImpatience(todo, onPhase, stopping.signal);
    case 'beside':
      return loadBeside(todo, onStarted, stopping.signal);
  }
}
