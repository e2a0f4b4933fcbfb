import { projectRoot } from '../stack/project-root.ts';
import { Coverage } from './coverage.ts';
import { Population } from './crowd.ts';
import { EmptyRounds, isEmptyRound } from './empty-rounds.ts';
import type { ChaosOptions } from './options.ts';
import { planRandomRound } from './random-round.ts';
import { errorLines, failureLines, readPlan, roundLine, writePlan, writeRound } from './report.ts';
import { type RoundResult, runRound } from './round.ts';
import type { RoundPlan } from './round-plan.ts';
import { planSharpRound } from './sharp-cases.ts';
import { ChaosSystem } from './system.ts';

export interface ChaosSummary {
  /** Without those that proved nothing. */
  readonly rounds: number;
  readonly violations: number;
}

/** Databases of failing rounds that are left on disk. */
const keptSystemsMax = 5;

/** Runs all rounds that the options ask for, and in place of each that proved nothing another one, at the end. */
export async function runChaos(options: ChaosOptions, say: (line: string) => void): Promise<ChaosSummary> {
  say(`seed ${options.seed}`);
  const run = new ChaosRun(say);
  const coverage = new Coverage();
  const plans = [...(await plansOf(options))];
  const empty = new EmptyRounds(plans.length);
  let violations = 0;
  let rounds = 0;
  try {
    // grows while it runs
    for (const plan of plans) {
      const result = await run.round(plan);
      const situation = result && coverage.add(result);
      if (situation !== undefined) say(`  ${situation}`);
      if (result !== undefined && isEmptyRound(result)) {
        if (empty.add()) plans.push(anotherFor(plan, plans, options));
      } else {
        rounds += 1;
        violations += result?.violations.length ?? 1;
      }
      if (options.stopsAtFirst && (violations > 0 || empty.areTooMany)) break;
    }
  } finally {
    await run.end();
  }
  for (const line of [...coverage.lines(), ...empty.lines()]) say(line);
  const missed = options.replay === undefined && rounds > 0 ? coverage.missed() : [];
  for (const name of missed) say(`${name} never came about: its rounds prove nothing`);
  return { rounds, violations: violations + missed.length + (empty.areTooMany ? 1 : 0) };
}

/** What is played in place of an empty round: the next round of the same case; of a replay the same one. */
export function anotherFor(
  plan: RoundPlan,
  plans: readonly RoundPlan[],
  { seed, replay }: Pick<ChaosOptions, 'seed' | 'replay'>,
): RoundPlan {
  if (replay !== undefined) return plan;
  const last = Math.max(...plans.filter(({ name }) => name === plan.name).map(({ round }) => round));
  return planOf(plan.name as ChaosOptions['cases'][number], seed, last + 1);
}

function planOf(name: ChaosOptions['cases'][number], seed: number, round: number): RoundPlan {
  return name === 'random' ? planRandomRound(seed, round) : planSharpRound(name, seed, round);
}

/** The schedules of a run, in order. */
export async function plansOf({ cases, rounds, seed, replay }: ChaosOptions): Promise<RoundPlan[]> {
  if (replay !== undefined) {
    const plan = await readPlan(replay);
    return Array.from({ length: rounds }, () => plan);
  }
  return cases.flatMap((name) => Array.from({ length: rounds }, (_, round) => planOf(name, seed, round)));
}

/** Rounds on one system, which is made anew after a round that failed. What there is to say of each is said line by line. */
export class ChaosRun {
  private system: ChaosSystem | undefined;
  private population: Population | undefined;
  private kept = 0;

  constructor(private readonly say: (line: string) => void) {}

  /** Undefined: the round itself could not be carried through, which is a failure as well. */
  async round(plan: RoundPlan): Promise<RoundResult | undefined> {
    this.system ??= await ChaosSystem.start();
    this.population ??= new Population(this.system.gatewayUrls[0]!);
    try {
      const result = await runRound(this.system, this.population, plan);
      this.say(roundLine(result));
      if (result.violations.length > 0) {
        const file = await writeRound(result, projectRoot);
        await this.leave(failureLines(result, file, this.system.dataDir));
      }
      return result;
    } catch (error) {
      const file = await writePlan(plan, projectRoot);
      await this.leave(errorLines(plan, error, file, this.system.dataDir));
      return undefined;
    }
  }

  async end(): Promise<void> {
    await this.system?.stop(false);
  }

  /** Its data and logs are left for somebody to look at, and what went wrong must not weigh on the next round. */
  private async leave(lines: readonly string[]): Promise<void> {
    for (const line of lines) this.say(line);
    const { system } = this;
    this.system = undefined;
    this.population = undefined;
    this.kept += 1;
    await system?.stop(this.kept <= keptSystemsMax);
  }
}
