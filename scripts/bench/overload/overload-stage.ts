import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makePassableDir } from '#libs/localservers';
import type { BenchContext } from '../frame/suite.ts';
import { pin } from '../measure/pinning.ts';
import { BenchSystem } from '../opens/bench-system.ts';
import { fullSettings, type OverloadSettings, quickSettings } from './settings.ts';

/** How a system is set up. */
export interface Setup {
  readonly isSplit: boolean;
  readonly hasAdmission: boolean;
}

export const nameOf = ({ isSplit, hasAdmission }: Setup): string =>
  `${isSplit ? 'split' : 'together'}${hasAdmission ? '' : '-unprotected'}`;

/** Systems of their own for each run, on the first cores; the driver of the shakes has the last one to itself. */
export class OverloadStage {
  readonly settings: OverloadSettings;
  private usersSoFar = 0;

  private constructor(readonly context: BenchContext) {
    this.settings = context.isQuick ? quickSettings : fullSettings;
  }

  static async open(context: BenchContext): Promise<OverloadStage> {
    // what is started from here inherits it
    await pin(process.pid, context.machine.serverCores);
    // PostgreSQL runs as another user
    if (process.getuid?.() === 0) await makePassableDir(context.dir);
    await mkdir(join(context.dir, 'logs'), { recursive: true });
    return new OverloadStage(context);
  }

  startSystem(setup: Setup): Promise<BenchSystem> {
    const { context } = this;
    const env = { LOCAL_ADMISSION: setup.hasAdmission ? 'on' : 'off' };
    return BenchSystem.start({ context, name: nameOf(setup), split: setup.isSplit, env, stepsBack: true });
  }

  logFile(name: string): string {
    return join(this.context.dir, 'logs', `${name}.log`);
  }

  /** Users whom no run has had. */
  newUsers(count: number): number[] {
    const first = this.usersSoFar;
    this.usersSoFar += count;
    return Array.from({ length: count }, (_, at) => first + at);
  }

  async close(): Promise<void> {
    await pin(process.pid, this.context.machine.driverCore);
  }
}
