import { PinnedProgram } from '../measure/pinned-program.ts';
import type { DriverMessage, DriverPlan, DriverResult } from './plans.ts';

export interface DriverRun<Plan extends DriverPlan> {
  readonly plan: Plan;
  readonly core: number;
  readonly logFile: string;
  readonly signal: AbortSignal;
  /** The load begins now. */
  readonly onStarted?: () => void;
}

/** Runs a driver process to its end. @throws Error when it fails. */
export async function runDriver<Plan extends DriverPlan>(run: DriverRun<Plan>): Promise<DriverResult<Plan>> {
  const { plan, core, logFile, signal, onStarted } = run;
  const program = 'driver/main.js';
  const driver = await PinnedProgram.start({ program, core, args: [JSON.stringify(plan)], logFile });
  try {
    for (;;) {
      const message = await driver.nextMessage<DriverMessage>(signal);
      if (message.kind === 'done') return message.result as DriverResult<Plan>;
      onStarted?.();
    }
  } finally {
    await driver.end();
  }
}
