import { PinnedProgram } from '../measure/pinned-program.ts';
import type { Cores } from '../measure/pinning.ts';
import type { DriverMessage, DriverOrder, DriverPhase, DriverPlan, DriverResult } from './plans.ts';

export interface DriverRun<Plan extends DriverPlan> {
  readonly plan: Plan;
  readonly core: Cores;
  readonly logFile: string;
  readonly signal: AbortSignal;
  /** The load begins now. */
  readonly onStarted?: () => void;
  /** Ends the load of a driver that can be told so; its result comes as usual. */
  readonly stop?: AbortSignal;
  /** Told of every phase as it begins, with the driver's process. */
  readonly onPhase?: (phase: DriverPhase, pid: number) => void;
}

/** Runs a driver process to its end. @throws Error when it fails. */
export async function runDriver<Plan extends DriverPlan>(run: DriverRun<Plan>): Promise<DriverResult<Plan>> {
  const { plan, core, logFile, signal, stop, onStarted, onPhase } = run;
  const program = 'driver/main.js';
  const driver = await PinnedProgram.start({ program, core, args: [JSON.stringify(plan)], logFile });
  const order: DriverOrder = { kind: 'stop' };
  stop?.addEventListener('abort', () => driver.tell(order), { once: true });
  try {
    for (;;) {
      const message = await driver.nextMessage<DriverMessage>(signal);
      if (message.kind === 'done') return message.result as DriverResult<Plan>;
      if (message.kind === 'started') onStarted?.();
      onPhase?.(message.kind, driver.pid);
    }
  } finally {
    await driver.end();
  }
}
