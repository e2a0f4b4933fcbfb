import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { eventIdMax } from '#libs/domain';

/** A command line that cannot be used; `message` says why. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

export interface VerifyOptions {
  readonly eventId: number;
  /** What the auditor noted before the event: 64 lowercase hex digits. */
  readonly commitment: string | undefined;
  readonly databaseUrl: string | undefined;
  readonly dataDir: string;
}

export const usage = `npm run verify-event -- ID [--commitment HEX]
  recomputes every amount of a settled event from its revealed secret and committed plan
  --commitment HEX   the commitment as it was noted before the event began
  reads DATABASE_URL, else the running PostgreSQL of DATA_DIR (.data)
  exit code: 0 verified, 1 a difference was found, 2 it could not be verified`;

const definitions = { commitment: { type: 'string' }, help: { type: 'boolean', default: false } } as const;

export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): VerifyOptions | 'help' {
  const { values, positionals } = parsed(args);
  if (values.help) return 'help';
  const [id = '', ...more] = positionals;
  const eventId = /^[1-9]\d{0,9}$/.test(id) ? Number(id) : Number.NaN;
  if (!(eventId <= eventIdMax) || more.length > 0)
    throw new OptionsError('one ID of an event is needed, a whole number');
  const commitment = values.commitment?.toLowerCase();
  if (commitment !== undefined && !/^[0-9a-f]{64}$/.test(commitment)) {
    throw new OptionsError('--commitment must be 64 hexadecimal digits');
  }
  const dataDir = resolve(env['DATA_DIR'] || '.data');
  return { eventId, commitment, databaseUrl: env['DATABASE_URL'] || undefined, dataDir };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: definitions, allowPositionals: true });
  } catch (cause) {
    throw new OptionsError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
