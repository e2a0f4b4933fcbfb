import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverPhase, OpensPlan, OpensResult, OpensScript } from '../driver/plans.ts';
import { type DriverRun, runDriver } from '../driver/run-driver.ts';
import { numberText } from '../frame/report.ts';
import { type BenchContext, RefusedError } from '../frame/suite.ts';
import { type CpuReading, type CpuSplit, readCpu, splitBetween } from '../measure/cpu-split.ts';
import type { BenchSystem } from './bench-system.ts';
import { checkBooks } from './book-check.ts';
import { makeOpensEvent } from './opens-event.ts';
import { readSettleCalls, type SettleCalls, settledBetween } from './settle-calls.ts';
import { makeWorkload, sponsorsPerUser, type WorkloadShape } from './workload.ts';

/** Cores that others may have: the kernel's own work, for the disk above all, is among it. */
const othersCoresMax = 0.5;
/** More opens than a run asks for, so that it does not run dry. */
const spareShare = 0.1;

export interface OpensLoad {
  /** Opens per second that the run may come to; for an open loop the rate. */
  readonly perSecondMax: number;
  readonly connections: number;
  /** Undefined: a closed loop. */
  readonly perSecond?: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Numbers of users that no run has had, unless this says so. */
  readonly users: (count: number) => readonly number[];
}

export interface OpensRun {
  readonly result: OpensResult;
  readonly creditedPerSecond: number;
  readonly cpu: CpuSplit;
  /** Settlement calls meanwhile. */
  readonly calls: SettleCalls;
  /** Answers that were held against the ledger. */
  readonly checked: number;
}

let runs = 0;

/** One run of opens through a whole system: an event of its own, the load, and every answer against the ledger. */
export async function runOpens(context: BenchContext, system: BenchSystem, load: OpensLoad): Promise<OpensRun> {
  const seconds = (load.warmUpMs + load.measureMs) / 1000;
  const userCount = Math.ceil((load.perSecondMax * seconds * (1 + spareShare)) / sponsorsPerUser);
  const users = load.users(userCount);
  const event = await makeOpensEvent(system, userCount);
  runs += 1;
  const shape: WorkloadShape = { blocks: event.blocks, lanes: event.lanes, users, seed: runs };
  const plan = await planOf(context, system, { load, shape, event });
  const { result, cpu, calls } = await drive(context, system, plan);
  const run = { result, cpu, calls, creditedPerSecond: (result.credited * 1000) / result.measuredMs };
  context.say(lineOf(run));
  const workload = makeWorkload(shape);
  assertWhole(run, plan, workload.opens.length);
  if (!context.isQuick) assertUndisturbed(run);
  const { answersFile } = plan;
  return { ...run, checked: await checkBooks(system, { eventId: event.eventId, workload, users, answersFile }) };
}

interface Planned {
  readonly load: OpensLoad;
  readonly shape: WorkloadShape;
  readonly event: { readonly eventId: number; readonly expiresAtMs: number };
}

async function planOf(context: BenchContext, system: BenchSystem, { load, shape, event }: Planned): Promise<OpensPlan> {
  const { TICKET_KEYS: ticketKeys, SESSION_SECRET: sessionSecret } = system.secrets;
  const { eventId, expiresAtMs } = event;
  const script: OpensScript = { eventId, expiresAtMs, ticketKeys, sessionSecret, shape };
  const scriptFile = join(context.dir, `opens-${eventId}.json`);
  await writeFile(scriptFile, JSON.stringify(script), { mode: 0o600 });
  const { connections, perSecond, warmUpMs, measureMs } = load;
  return {
    mode: 'opens',
    port: system.moneyPort,
    scriptFile,
    answersFile: join(context.dir, `answers-${eventId}.txt`),
    connections,
    warmUpMs,
    measureMs,
    ...(perSecond === undefined ? {} : { perSecond }),
  };
}

/** The driver shares all cores with the system: who had them while it was measured is read at both ends. */
async function drive(context: BenchContext, system: BenchSystem, plan: OpensPlan) {
  const { cores } = context.machine;
  const readings: Promise<{ cpu: CpuReading; calls: SettleCalls }>[] = [];
  const onPhase = (phase: DriverPhase, pid: number): void => {
    if (phase === 'started') return;
    const groups = { ...system.processes, driver: [pid] };
    readings.push(
      Promise.all([readCpu(groups, cores), readSettleCalls(system)]).then(([cpu, calls]) => ({ cpu, calls })),
    );
  };
  const logFile = join(context.dir, 'driver.log');
  const run: DriverRun<OpensPlan> = { plan, core: cores, logFile, signal: context.signal, onPhase };
  const result = await runDriver(run);
  const [before, after] = await Promise.all(readings);
  return {
    result,
    cpu: splitBetween(before!.cpu, after!.cpu),
    calls: settledBetween(before!.calls, after!.calls),
  };
}

function lineOf({ result, cpu, calls, creditedPerSecond }: Omit<OpensRun, 'checked'>): string {
  const shares = Object.entries(cpu.coresOf).map(([name, cores]) => `${name} ${numberText(100 * cores)}`);
  return (
    `  ${numberText(creditedPerSecond)} credited/s, p50 ${numberText(result.p50Ms)} ms, p99 ${numberText(result.p99Ms)} ms, ` +
    `${numberText(calls.itemsPerCall)} opens per call; % of a core: ${shares.join(', ')}, others ${numberText(100 * cpu.othersCores)}`
  );
}

function assertWhole(run: Omit<OpensRun, 'checked'>, plan: OpensPlan, opens: number): void {
  const { result } = run;
  if (result.unsettled > 0) throw new RefusedError(`${result.unsettled} opens have no outcome`);
  if (result.sent >= opens) throw new RefusedError(`all ${opens} opens were sent before the end of the run`);
  if (result.credited === 0) throw new RefusedError(`nothing was credited in ${plan.measureMs} ms`);
}

function assertUndisturbed({ cpu }: Omit<OpensRun, 'checked'>): void {
  if (cpu.othersCores > othersCoresMax)
    throw new RefusedError(
      `others had ${numberText(100 * cpu.othersCores)} % of a core: the machine is busy with other work`,
    );
}
