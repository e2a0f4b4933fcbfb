import { parseArgs } from 'node:util';

export interface RehearsalOptions {
  readonly users: number;
  readonly packets: number;
  /** From the creation of the event to its settlement, about. */
  readonly durationMs: number;
  readonly seed: number;
  /** Gateways of the stack that the rehearsal starts itself. */
  readonly gateways: number;
  /** Processes of that stack that are killed (SIGKILL) one after the other while users shake. */
  readonly kill: readonly string[];
  /** A system that runs already; absent: the rehearsal starts its own. */
  readonly target?: { readonly gatewayUrl: string; readonly opsUrl: string; readonly opsToken: string };
}

/** Options that cannot be used; `message` names every one of them. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

export const usage = `npm run rehearse -- [options]
  --users N       virtual users, 50 to 50000 (2000)
  --packets N     packets of the event, 100 to 10000000 (5000)
  --duration S    seconds from the creation of the event to its settlement, at least 20 (60)
  --seed N        repeats the users' choices of an earlier run (random)
  --gateways N    gateways of the rehearsal's own system (1)
  --kill NAMES    kills these processes of its own system while users shake, comma-separated:
                  gateway-0, allocation, share, ops, redis, postgres
  --url URL --ops URL --ops-token TOKEN
                  rehearses on a system that runs already (guest sessions on)`;

const definitions = {
  users: { type: 'string', default: '2000' },
  packets: { type: 'string', default: '5000' },
  duration: { type: 'string', default: '60' },
  seed: { type: 'string' },
  gateways: { type: 'string', default: '1' },
  kill: { type: 'string', default: '' },
  url: { type: 'string' },
  ops: { type: 'string' },
  'ops-token': { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** Reads the command line; `help` when it asks for it. @throws OptionsError naming every fault. */
export function parseOptions(args: readonly string[], randomSeed: number): RehearsalOptions | 'help' {
  const values = valuesOf(args);
  if (values.help) return 'help';
  const faults: string[] = [];
  const integer = (name: 'users' | 'packets' | 'duration' | 'seed' | 'gateways', min: number, max: number): number => {
    const text = values[name] ?? String(randomSeed);
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) faults.push(`--${name} must be a whole number from ${min} to ${max}`);
    return value;
  };
  const kill = values.kill.split(',').filter((name) => name !== '');
  const options: RehearsalOptions = {
    users: integer('users', 50, 50_000),
    packets: integer('packets', 100, 10_000_000),
    durationMs: integer('duration', 20, 86_400) * 1000,
    seed: integer('seed', 0, 2 ** 32 - 1),
    gateways: integer('gateways', 1, 64),
    kill,
    ...targetOf(values, faults),
  };
  if (options.target && kill.length > 0) faults.push('--kill is possible only in a system of its own, without --url');
  if (faults.length > 0) throw new OptionsError(faults.join('\n'));
  return options;
}

type Values = ReturnType<typeof valuesOf>;

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: definitions, allowPositionals: false }).values;
  } catch (cause) {
    throw new OptionsError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function targetOf(values: Values, faults: string[]): Pick<RehearsalOptions, 'target'> {
  const { url, ops: opsUrl, 'ops-token': opsToken } = values;
  if (url === undefined && opsUrl === undefined && opsToken === undefined) return {};
  if (url === undefined || opsUrl === undefined || opsToken === undefined) {
    faults.push('--url, --ops and --ops-token belong together');
    return {};
  }
  for (const [name, text] of Object.entries({ url, ops: opsUrl })) {
    if (!/^https?:\/\//.test(text) || !URL.canParse(text)) faults.push(`--${name} must be an http or https URL`);
  }
  return { target: { gatewayUrl: url, opsUrl, opsToken } };
}
