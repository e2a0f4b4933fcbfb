import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  BesidePlan,
  BesideResult,
  DriverPhase,
  ImpatientPlan,
  ImpatientResult,
  OpensScript,
} from '../driver/plans.ts';
import { runDriver } from '../driver/run-driver.ts';
import { numberText } from '../frame/report.ts';
import { RefusedError } from '../frame/suite.ts';
import { type CpuShare, holdToShare } from '../measure/cpu-share.ts';
import { TokenMaker } from '../measure/tokens.ts';
import type { BenchSystem } from '../opens/bench-system.ts';
import { checkBooks } from '../opens/book-check.ts';
import { makeOpensEvent } from '../opens/opens-event.ts';
import { makeSteadyEvent, usualSteadyEvent } from '../opens/steady-event.ts';
import { makeWorkload, sponsorsPerUser, type WorkloadShape } from '../opens/workload.ts';
import { nameOf, type OverloadStage, type Setup } from './overload-stage.ts';
import {
  besideConnections,
  coreShares,
  type LoadStep,
  opensPerSecond,
  patienceMs,
  phones,
  readsPerSecond,
  spares,
  stepsOf,
} from './settings.ts';
import { type Look, Watcher } from './watcher.ts';

/** The longest that is waited for the system to come back after the peak; the bar is below it. */
const backSecondsMax = 70;
/** Without admission it is only seen how it goes on. */
const afterSecondsUnprotected = 10;
/** More opens than can be asked for. */
const spareSeconds = 150;

export interface OverloadRun {
  readonly setup: Setup;
  readonly heldBy: string;
  readonly steps: readonly LoadStep[];
  readonly shakes: ImpatientResult;
  readonly beside: BesideResult;
  readonly looks: readonly Look[];
  /** Answers to opens that were held against the ledger. */
  readonly checked: number;
}

/** One system through all loads; `perSecond`: what they are multiples of, else its own capacity. */
export async function runOverload(stage: OverloadStage, setup: Setup, perSecond?: number): Promise<OverloadRun> {
  const system = await stage.startSystem(setup);
  try {
    return await new OverloadedSystem(stage, setup, system, perSecond).run();
  } finally {
    await system.close();
  }
}

class OverloadedSystem {
  private readonly afterSeconds: number;
  private tokensFile = '';
  private eventId = 0;

  constructor(
    private readonly stage: OverloadStage,
    private readonly setup: Setup,
    private readonly system: BenchSystem,
    private readonly perSecond: number | undefined,
  ) {
    this.afterSeconds = setup.hasAdmission ? backSecondsMax : afterSecondsUnprotected;
  }

  async run(): Promise<OverloadRun> {
    const { stage, setup, system } = this;
    await this.prepare();
    const opens = await this.prepareOpens();
    const stop = new AbortController();
    const watcher = new Watcher(system);
    const held = new Held(stage, setup, system);
    try {
      // before the process is held to its share: opens at their rate take a while until their code is warm
      const beside = this.driveBeside(opens.plan, stop.signal);
      // its failure is told where it is awaited
      beside.catch(() => undefined);
      const steps = stepsOf(stage.settings, this.afterSeconds);
      const shakes = await this.shake(steps, watcher, held);
      await watcher.stop();
      stop.abort();
      const result = await beside;
      await held.release();
      if (result.unsettled > 0)
        throw new RefusedError(`${result.unsettled} opens had no outcome long after the last load`);
      const checked = await checkBooks(system, opens.question);
      return { setup, heldBy: held.how, steps, shakes, beside: result, looks: watcher.looks, checked };
    } finally {
      stop.abort();
      await watcher.stop();
      await held.release();
    }
  }

  private async prepare(): Promise<void> {
    const { context } = this.stage;
    this.eventId = Number(await makeSteadyEvent(this.system, usualSteadyEvent));
    this.tokensFile = join(context.dir, `tokens-${nameOf(this.setup)}.txt`);
    const tokens = new TokenMaker(this.system.secrets.SESSION_SECRET, 'phones', Math.floor(Date.now() / 1000));
    await tokens.writeFile(this.tokensFile, phones + spares);
  }

  private async prepareOpens() {
    const { stage, system, setup } = this;
    const { context, settings } = stage;
    const seconds = stepsOf(settings, this.afterSeconds).reduce(
      (sum, { order }) => sum + order.ms / 1000,
      spareSeconds,
    );
    const users = stage.newUsers(Math.ceil((opensPerSecond * seconds) / sponsorsPerUser));
    const event = await makeOpensEvent(system, users.length);
    const { eventId, expiresAtMs } = event;
    const shape: WorkloadShape = { blocks: event.blocks, lanes: event.lanes, users, seed: eventId };
    const { TICKET_KEYS: ticketKeys, SESSION_SECRET: sessionSecret } = system.secrets;
    const script: OpensScript = { eventId, expiresAtMs, ticketKeys, sessionSecret, shape };
    const scriptFile = join(context.dir, `beside-${nameOf(setup)}.json`);
    await writeFile(scriptFile, JSON.stringify(script), { mode: 0o600 });
    const answersFile = join(context.dir, `answers-${nameOf(setup)}.txt`);
    const plan: BesidePlan = {
      mode: 'beside',
      port: system.moneyPort,
      connections: besideConnections,
      scriptFile,
      answersFile,
      opensPerSecond,
      readsPerSecond,
      patienceMs,
      msMax: seconds * 1000,
    };
    return { plan, question: { eventId, workload: makeWorkload(shape), users, answersFile } };
  }

  private driveBeside(plan: BesidePlan, stop: AbortSignal): Promise<BesideResult> {
    const { context } = this.stage;
    const core = context.machine.serverCores;
    return runDriver({ plan, core, logFile: this.stage.logFile('driver'), signal: context.signal, stop });
  }

  /** All loads; the last one ends when the system is back at itself. */
  private async shake(steps: readonly LoadStep[], watcher: Watcher, held: Held): Promise<ImpatientResult> {
    const { stage, system, eventId, tokensFile } = this;
    const { machine, signal } = stage.context;
    const port = system.gatewayPort;
    const orders = steps.map(({ order }) => order);
    const base = this.perSecond === undefined ? {} : { perSecond: this.perSecond };
    const plan: ImpatientPlan = {
      mode: 'impatient',
      port,
      eventId,
      tokensFile,
      phones,
      spares,
      patienceMs,
      steps: orders,
      ...base,
    };
    const stop = new AbortController();
    const untilPeakEndsMs = orders.slice(0, -1).reduce((sum, { ms }) => sum + ms, 0);
    let ending: Promise<void> = Promise.resolve();
    let holding: Promise<void> = Promise.resolve();
    const onPhase = (phase: DriverPhase): void => {
      if (phase === 'measuring') holding = held.begin();
      else {
        watcher.start();
        ending = delay(untilPeakEndsMs, undefined, { signal })
          .then(() => watcher.untilBack(this.afterSeconds * 1000))
          .then(() => stop.abort());
      }
      // told where they are awaited
      for (const promise of [holding, ending]) promise.catch(() => undefined);
    };
    const logFile = stage.logFile('driver');
    const run = { plan, core: machine.driverCore, logFile, signal, stop: stop.signal, onPhase };
    const result = await runDriver(run);
    await Promise.all([holding, ending]);
    const capacity = numberText(result.capacityPerSecond);
    stage.context.say(`  ${nameOf(this.setup)}: ${capacity} shakes/s with ${held.share} of a core (${held.how})`);
    return result;
  }
}

/** The process with the shakes, held to its share of a core. */
class Held {
  how = '';
  readonly share: number;
  private holder: CpuShare | undefined;

  constructor(
    private readonly stage: OverloadStage,
    { isSplit }: Setup,
    private readonly system: BenchSystem,
  ) {
    this.share = isSplit ? coreShares.split : coreShares.together;
  }

  async begin(): Promise<void> {
    const { pid } = this.system.stack.process('gateway-0');
    const core = this.stage.context.machine.serverCores[0]!;
    this.holder = await holdToShare({ pid, core, share: this.share, logFile: this.stage.logFile('spinner') });
    this.how = this.holder.how;
  }

  async release(): Promise<void> {
    const { holder } = this;
    this.holder = undefined;
    await holder?.release();
  }
}
