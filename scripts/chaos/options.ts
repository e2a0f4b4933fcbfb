import { parseArgs } from 'node:util';
import { type SharpCase, sharpCases } from './sharp-cases.ts';

export interface ChaosOptions {
  /** Of each case. */
  readonly rounds: number;
  readonly seed: number;
  /** `random` and sharp cases, in the order in which they run. */
  readonly cases: readonly ('random' | SharpCase)[];
  /** A file that a failing round wrote: its plan is run instead. */
  readonly replay: string | undefined;
  /** Ends at the first failing round. */
  readonly stopsAtFirst: boolean;
}

/** Options that cannot be used; `message` names every one of them. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

export const usage = `npm run chaos -- [options]
  --rounds N      rounds (20); of each case when there are several
  --seed S        repeats the schedules of an earlier run (random)
  --case NAME     random (the default), all, sharp (all sharp cases), or one of
                  ${sharpCases.join(', ')}; several with commas
  --replay FILE   runs the plan of a round that failed, --rounds times (1)
  --stop          ends at the first round that fails`;

const definitions = {
  rounds: { type: 'string' },
  seed: { type: 'string' },
  case: { type: 'string', default: 'random' },
  replay: { type: 'string' },
  stop: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const roundsDefault = 20;
const roundsMax = 1_000_000;

/** Reads the command line; `help` when it asks for it. @throws OptionsError naming every fault. */
export function parseOptions(args: readonly string[], randomSeed: number): ChaosOptions | 'help' {
  const values = valuesOf(args);
  if (values.help) return 'help';
  const faults: string[] = [];
  const integer = (name: 'rounds' | 'seed', fallback: number, min: number, max: number): number => {
    const text = values[name] ?? String(fallback);
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) faults.push(`--${name} must be a whole number from ${min} to ${max}`);
    return value;
  };
  const { replay } = values;
  const options: ChaosOptions = {
    rounds: integer('rounds', replay === undefined ? roundsDefault : 1, 1, roundsMax),
    seed: integer('seed', randomSeed, 0, 2 ** 32 - 1),
    cases: casesOf(values.case, faults),
    replay,
    stopsAtFirst: values.stop,
  };
  if (faults.length > 0) throw new OptionsError(faults.join('\n'));
  return options;
}

function casesOf(text: string, faults: string[]): ChaosOptions['cases'] {
  return text.split(',').flatMap((name) => {
    if (name === 'all') return ['random' as const, ...sharpCases];
    if (name === 'sharp') return sharpCases;
    if (name === 'random') return [name];
    const found = sharpCases.find((known) => known === name);
    if (found === undefined) faults.push(`--case: there is no case ${name}`);
    return found ?? [];
  });
}

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: definitions, allowPositionals: false }).values;
  } catch (cause) {
    throw new OptionsError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
