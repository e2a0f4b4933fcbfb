import type { Machine } from './machine.ts';

export type Figure =
  | number
  | string
  | boolean
  | null
  | readonly Figure[]
  | { readonly [name: string]: Figure | undefined };
export type Figures = Readonly<Record<string, Figure>>;

/** The limit of a figure. */
export interface BarRule {
  readonly name: string;
  readonly sense: 'at least' | 'at most';
  readonly bar: number;
}

/** A figure beside its limit. `value` is null when it could not be measured: then it does not hold. */
export interface Bar extends BarRule {
  readonly value: number | null;
  readonly holds: boolean;
}

/** One line of the table at the end. */
export interface Row {
  readonly name: string;
  readonly value: string;
  /** What it is measured against in the same run. */
  readonly beside?: string;
  readonly ratio?: number;
  readonly bar?: Bar;
}

export interface PartReport {
  readonly figures: Figures;
  readonly rows: readonly Row[];
}

export interface SuiteReport extends PartReport {
  /** Parts that gave no figures, and why: what was measured was not what was meant. */
  readonly refusals: readonly string[];
}

export interface BenchContext {
  readonly machine: Machine;
  /** Shorter and fewer runs: for development, not for figures that are told to anybody. */
  readonly isQuick: boolean;
  /** Parts of suites that were asked for; undefined: all. */
  readonly partNames: ReadonlySet<string> | undefined;
  /** Grants in the full ledger of the suite `opens`; undefined: as many as it takes by itself. */
  readonly grants: number | undefined;
  /** A folder for data and logs, removed at the end. */
  readonly dir: string;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** A set of benchmarks; the registry is `suites.ts`. */
export interface Suite {
  readonly name: string;
  readonly about: string;
  readonly partNames: readonly string[];
  run(context: BenchContext): Promise<SuiteReport>;
}

/** One measurement of a suite, on what the suite has set up. */
export interface Part<Stage> {
  readonly name: string;
  /** What its report will be held against, for the table when it is refused. */
  readonly bars: readonly BarRule[];
  measure(stage: Stage): Promise<PartReport>;
}

/** What was measured is not what was meant, so it is not reported. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

export function judged(rule: BarRule, value: number | null): Bar {
  const holds = value !== null && (rule.sense === 'at least' ? value >= rule.bar : value <= rule.bar);
  return { ...rule, value, holds };
}

/** A suite whose parts are measured one after another on one stage; a part that is refused costs its own figures alone. */
export function suiteOf<Stage extends { close(): Promise<void> }>(definition: {
  readonly name: string;
  readonly about: string;
  readonly parts: readonly Part<Stage>[];
  readonly open: (context: BenchContext) => Promise<Stage>;
}): Suite {
  const { name, about, parts, open } = definition;
  return {
    name,
    about,
    partNames: parts.map((part) => part.name),
    run: async (context) => {
      const wanted = parts.filter((part) => context.partNames?.has(part.name) ?? true);
      if (wanted.length === 0) return { figures: {}, rows: [], refusals: [] };
      const stage = await open(context);
      try {
        return await measureAll(wanted, stage, context);
      } finally {
        await stage.close();
      }
    },
  };
}

async function measureAll<Stage>(
  parts: readonly Part<Stage>[],
  stage: Stage,
  context: BenchContext,
): Promise<SuiteReport> {
  const figures: Record<string, Figure> = {};
  const rows: Row[] = [];
  const refusals: string[] = [];
  for (const part of parts) {
    context.signal.throwIfAborted();
    const startedAt = performance.now();
    context.say(`${part.name} …`);
    try {
      const report = await part.measure(stage);
      figures[part.name] = report.figures;
      rows.push(...report.rows);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      refusals.push(`${part.name}: ${error.message}`);
      rows.push(...part.bars.map((rule) => ({ name: rule.name, value: 'refused', bar: judged(rule, null) })));
    }
    context.say(`${part.name}: ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }
  return { figures, rows, refusals };
}
