import { numberText } from '../frame/report.ts';
import {
  type BarRule,
  type Figures,
  judged,
  type Part,
  type PartReport,
  RefusedError,
  type Row,
} from '../frame/suite.ts';
import { rounded } from '../measure/statistics.ts';
import { type OverloadRun, runOverload } from './overload-run.ts';
import type { OverloadStage, Setup } from './overload-stage.ts';
import { coreShares, type LoadName, loads, opensPerSecond, patienceMs, phones, readsPerSecond } from './settings.ts';
import { backAfterSeconds, reactionMs, type StepFigures, stepFigures } from './step-figures.ts';

/** The loads that the bars are about. */
const peaks: Readonly<Partial<Record<LoadName, string>>> = { triple: '3 ×', highest: 'the highest load' };

/**
 * Of the shakes at 3 times the capacity. A shake that is sent late leaves its phone less patience: fewer are in time than a better driver would
 * see, never more.
 */
const lagP99MaxMs = 1000;
/** Of what was due then; the highest load is whatever was offered. */
const offeredShareMin = 0.9;

interface Rules {
  readonly succeeded: BarRule;
  readonly p99: BarRule;
}

interface ModeRules {
  readonly opens: Readonly<Partial<Record<LoadName, Rules>>>;
  readonly kept: BarRule;
  readonly ahead: BarRule;
  readonly reaction: BarRule;
  readonly back: BarRule;
}

function rulesOf(isSplit: boolean): ModeRules {
  const where = isSplit ? 'split' : 'together';
  const [share, p99Ms] = isSplit ? [0.999, 300] : [0.99, 1000];
  const opensAt = (load: LoadName): Rules => ({
    succeeded: { name: `${where}, ${peaks[load]}: opens that succeed`, sense: 'at least', bar: share },
    p99: { name: `${where}, ${peaks[load]}: p99 of opens, ms`, sense: 'at most', bar: p99Ms },
  });
  return {
    opens: { triple: opensAt('triple'), ...(isSplit ? { highest: opensAt('highest') } : {}) },
    kept: { name: `${where}, 3 ×: shakes in time, of the best load's`, sense: 'at least', bar: 0.9 },
    ahead: { name: `${where}, 3 ×: shakes in time, over those without admission`, sense: 'at least', bar: 1.2 },
    reaction: { name: `${where}: steps back after, ms`, sense: 'at most', bar: 300 },
    back: { name: `${where}: back at tier 0 after the peak, s`, sense: 'at most', bar: 60 },
  };
}

/** One way to set the processes up, through all loads, with admission and without. */
export function modePart(isSplit: boolean): Part<OverloadStage> {
  const rules = rulesOf(isSplit);
  const { kept, ahead, reaction, back } = rules;
  return {
    name: isSplit ? 'split' : 'together',
    bars: [
      ...Object.values(rules.opens).flatMap(({ succeeded, p99 }) => [succeeded, p99]),
      kept,
      ahead,
      reaction,
      back,
    ],
    measure: async (stage) => {
      // what it can do is measured where it does not step back from it
      const beside = await measure(stage, { isSplit, hasAdmission: false });
      const own = await measure(stage, { isSplit, hasAdmission: true }, beside.run.shakes.capacityPerSecond);
      if (!stage.context.isQuick) assertSentInTime(own.steps);
      return reportOf(rules, own, beside);
    },
  };
}

async function measure(stage: OverloadStage, setup: Setup, perSecond?: number): Promise<Measured> {
  const run = await runOverload(stage, setup, perSecond);
  const steps = stepFigures(run);
  for (const line of linesOf(steps)) stage.context.say(line);
  return { run, steps };
}

/** @throws RefusedError when the driver was the limit itself. */
function assertSentInTime(steps: readonly StepFigures[]): void {
  const { lagP99Ms, offered, meant } = steps.find(({ name }) => name === 'triple')!;
  if (lagP99Ms > lagP99MaxMs) throw new RefusedError(`shakes were sent ${Math.round(lagP99Ms)} ms late (p99)`);
  if (offered < offeredShareMin * meant) throw new RefusedError(`${offered} of ${meant} shakes a second were sent`);
}

interface Measured {
  readonly run: OverloadRun;
  readonly steps: readonly StepFigures[];
}

function reportOf(rules: ModeRules, measured: Measured, unprotected: Measured): PartReport {
  const { run } = measured;
  return {
    figures: {
      capacity: Math.round(unprotected.run.shakes.capacityPerSecond),
      coreShare: run.setup.isSplit ? coreShares.split : coreShares.together,
      opensPerSecond,
      readsPerSecond,
      phones,
      patienceMs,
      protected: figuresOf(measured),
      unprotected: figuresOf(unprotected),
    },
    rows: [
      ...opensRows(rules, measured, unprotected),
      ...shakesRows(rules, measured, unprotected),
      ...timeRows(rules, measured),
    ],
  };
}

function stepNamed({ steps }: Measured, name: LoadName): StepFigures {
  return steps.find((step) => step.name === name)!;
}

function opensRows({ opens }: ModeRules, measured: Measured, unprotected: Measured): Row[] {
  return Object.entries(opens).flatMap(([name, { succeeded, p99 }]) => {
    const own = stepNamed(measured, name as LoadName).opens;
    const beside = stepNamed(unprotected, name as LoadName).opens;
    return [
      {
        name: succeeded.name,
        value: String(own.succeeded),
        beside: String(beside.succeeded),
        bar: judged(succeeded, own.succeeded),
      },
      { name: p99.name, value: msText(own.p99Ms), beside: msText(beside.p99Ms), bar: judged(p99, own.p99Ms) },
    ];
  });
}

function shakesRows({ kept, ahead }: ModeRules, measured: Measured, unprotected: Measured): Row[] {
  const triple = stepNamed(measured, 'triple').inTime;
  const best = Math.max(...measured.steps.filter(({ name }) => name in loads).map(({ inTime }) => inTime));
  const beside = stepNamed(unprotected, 'triple').inTime;
  const share = rounded(triple / best);
  const lead = rounded(triple / Math.max(beside, 1));
  return [
    { name: kept.name, value: numberText(triple), beside: numberText(best), ratio: share, bar: judged(kept, share) },
    { name: ahead.name, value: numberText(triple), beside: numberText(beside), ratio: lead, bar: judged(ahead, lead) },
  ];
}

function timeRows({ reaction, back }: ModeRules, { run }: Measured): Row[] {
  const reacted = reactionMs(run);
  const backAfter = backAfterSeconds(run);
  return [
    { name: reaction.name, value: msText(reacted), bar: judged(reaction, reacted) },
    { name: back.name, value: msText(backAfter), bar: judged(back, backAfter) },
  ];
}

const msText = (value: number | null): string => (value === null ? 'none' : numberText(value));

function figuresOf({ run, steps }: Measured): Figures {
  const startedAtMs = run.shakes.startedAtMs;
  return {
    heldBy: run.heldBy,
    reactionMs: reactionMs(run),
    backAfterSeconds: backAfterSeconds(run),
    answersChecked: run.checked,
    opensUnsettled: run.beside.unsettled,
    openAnswers: run.beside.answers,
    highestLoad: loads.highest,
    steps: steps.map((step) => ({ ...step, opens: { ...step.opens }, reads: { ...step.reads } })),
    // seconds since the first load, tier, level of the process with the shakes
    tierAndLevel: changesOf(run).map(({ atMs, tier, level }) => [
      rounded((atMs - startedAtMs) / 1000),
      tier,
      rounded(level),
    ]),
  };
}

/** Looks that saw something new. */
function changesOf({ looks }: OverloadRun): OverloadRun['looks'] {
  return looks.filter(({ tier, level }, at) => {
    const before = looks[at - 1];
    return before === undefined || before.tier !== tier || before.level !== level;
  });
}

function linesOf(steps: readonly StepFigures[]): string[] {
  return steps.map((step) => {
    const { name, load, offered, meant, decided, rested, gaveUp, refused, cutOff, opens, reads, tier, level } = step;
    const shakes = `${offered} of ${meant}/s offered: ${decided} decided, ${rested} rested, ${gaveUp} gave up, ${refused + cutOff} refused or cut off`;
    const money = `opens ${opens.succeeded} p99 ${msText(opens.p99Ms)} ms, reads ${reads.succeeded}`;
    return `  ${name}${load === null ? '' : ` ${load} ×`}: ${shakes}; ${money}; tier ${tier}, level ${numberText(level)}, lag ${numberText(step.lagP99Ms)} ms`;
  });
}
