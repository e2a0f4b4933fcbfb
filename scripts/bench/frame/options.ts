import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Names of suites, in the registry's order. */
  readonly suiteNames: readonly string[];
  /** Undefined: all parts. */
  readonly partNames: ReadonlySet<string> | undefined;
  readonly isJson: boolean;
  readonly isQuick: boolean;
  /** Grants in the ledger of the part `full`; undefined: the suite's own number. */
  readonly grants: number | undefined;
}

/** What the command line may name. */
export interface Known {
  readonly name: string;
  readonly about: string;
  readonly partNames: readonly string[];
}

/** Options that cannot be used; `message` names every one of them. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

export function usageOf(suites: readonly Known[]): string {
  const lines = suites.map(
    ({ name, about, partNames }) => `  ${name.padEnd(12)} ${about}\n${' '.repeat(15)}parts: ${partNames.join(', ')}`,
  );
  return `npm run bench -- [suite …] [options]
${lines.join('\n')}
  --json       prints one JSON object last
  --quick      shorter and fewer runs: for development, not for figures
  --parts A,B  these parts of the suites alone
  --grants N   grants in the full ledger of the suite opens`;
}

const definitions = {
  json: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  parts: { type: 'string' },
  grants: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** Reads the command line; `help` when it asks for it. @throws OptionsError naming every fault. */
export function parseOptions(args: readonly string[], suites: readonly Known[]): BenchOptions | 'help' {
  const { values, positionals } = parsed(args);
  if (values.help) return 'help';
  const known = suites.map(({ name }) => name);
  const chosen = positionals.length === 0 ? suites : suites.filter(({ name }) => positionals.includes(name));
  const parts = values.parts?.split(',').filter((name) => name !== '');
  const knownParts = chosen.flatMap(({ partNames }) => partNames);
  const faults = [
    ...unknownOf('suite', positionals, known),
    ...unknownOf('part', parts ?? [], knownParts),
    ...(parts?.length === 0 ? ['--parts names none'] : []),
    ...(isGrants(values.grants) ? [] : [`--grants must be a whole number from ${grantsMin} to ${grantsMax}`]),
  ];
  if (faults.length > 0) throw new OptionsError(faults.join('\n'));
  return {
    suiteNames: chosen.map(({ name }) => name),
    partNames: parts === undefined ? undefined : new Set(parts),
    isJson: values.json,
    isQuick: values.quick,
    grants: values.grants === undefined ? undefined : Number(values.grants),
  };
}

/** Below it there is nothing to see, above it no disk to hold it. */
const grantsMin = 10_000;
const grantsMax = 1_000_000_000;

function isGrants(text: string | undefined): boolean {
  if (text === undefined) return true;
  const count = Number(text);
  return Number.isInteger(count) && count >= grantsMin && count <= grantsMax;
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: definitions, allowPositionals: true });
  } catch (cause) {
    throw new OptionsError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function unknownOf(kind: string, names: readonly string[], known: readonly string[]): string[] {
  return names
    .filter((name) => !known.includes(name))
    .map((name) => `There is no ${kind} "${name}": ${known.join(', ')}`);
}
