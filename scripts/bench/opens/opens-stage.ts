import { makePassableDir } from '#libs/localservers';
import type { BenchContext } from '../frame/suite.ts';
import { pin } from '../measure/pinning.ts';
import { BenchSystem, type SystemOptions } from './bench-system.ts';
import { Ledgers } from './ledgers.ts';
import type { OpensLoad } from './opens-run.ts';
import { connections, fullSettings, type OpensSettings, opensPerSecondMax, quickSettings } from './settings.ts';

/** What the parts share: the system that most of them measure, and what earlier parts found out. */
export class OpensStage {
  readonly settings: OpensSettings;
  /** Credited opens per second in a closed loop, once the part `rate` has measured it. */
  rate: number | undefined;
  /** Opens of one settlement call at that rate. */
  itemsPerCall: number | undefined;
  private usersSoFar = 0;
  private system: BenchSystem | undefined;
  private otherLedgers: Ledgers | undefined;

  private constructor(readonly context: BenchContext) {
    this.settings = context.isQuick ? quickSettings : fullSettings;
  }

  /** Unlike a gateway alone, the whole system with its driver gets all cores, and the scheduler deals them out. */
  static async open(context: BenchContext): Promise<OpensStage> {
    await pin(process.pid, context.machine.cores);
    // PostgreSQL runs as another user
    if (process.getuid?.() === 0) await makePassableDir(context.dir);
    return new OpensStage(context);
  }

  /** The system with an empty ledger at its beginning; started when it is first asked for. */
  async mainSystem(): Promise<BenchSystem> {
    this.system ??= await this.startSystem({ name: 'system' });
    return this.system;
  }

  startSystem(options: Omit<SystemOptions, 'context'>): Promise<BenchSystem> {
    return BenchSystem.start({ split: true, ...options, context: this.context });
  }

  /** Where other ledgers are than the main system's. */
  async ledgers(): Promise<Ledgers> {
    this.otherLedgers ??= await Ledgers.start(this.context);
    return this.otherLedgers;
  }

  /** Ends the main system, whose processes would take some of the cores even idle. */
  async endMainSystem(): Promise<void> {
    const { system } = this;
    this.system = undefined;
    await system?.close();
  }

  /** Phones that open as fast as they are answered. */
  closedLoop(): OpensLoad {
    const { warmUpSeconds, measureSeconds } = this.settings;
    return {
      perSecondMax: opensPerSecondMax,
      connections,
      warmUpMs: warmUpSeconds * 1000,
      measureMs: measureSeconds * 1000,
      users: (count) => this.newUsers(count),
    };
  }

  /** Users whom no run has had. */
  newUsers(count: number): number[] {
    const first = this.usersSoFar;
    this.usersSoFar += count;
    return Array.from({ length: count }, (_, at) => first + at);
  }

  async close(): Promise<void> {
    await this.endMainSystem();
    await this.otherLedgers?.close();
    await pin(process.pid, this.context.machine.driverCore);
  }
}
