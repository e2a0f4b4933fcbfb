import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { allocationConfigSchema } from '#libs/contracts';

/** A command line or environment that cannot be used; `message` says why. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

export interface BackupOptions {
  readonly dataDir: string;
  /** New or empty. */
  readonly to: string;
}

export interface RestoreOptions {
  readonly from: string;
  /** New or empty. */
  readonly dataDir: string;
  /** False: what was backed up served nothing afterwards, so nothing has to be kept apart from that. */
  readonly hadLaterHistory: boolean;
  /** How far ahead of the release curve blocks were stocked. */
  readonly stockLeadMs: number;
  /** The restored system will be run with this Redis rather than with a new one of its own. */
  readonly hasExternalRedis: boolean;
}

export const backupUsage = `npm run backup -- --to DIR
  backs up PostgreSQL and the secrets of DATA_DIR (.data) to DIR, which must be new or empty; the system may run meanwhile`;

export const restoreUsage = `npm run restore -- --from DIR [--no-later-history]
  restores the backup in DIR to DATA_DIR (.data), which must be new or empty
  --no-later-history   what was backed up served nothing after the backup was taken`;

export function parseBackupOptions(args: readonly string[], env: NodeJS.ProcessEnv): BackupOptions | 'help' {
  const values = parsed(args, { to: { type: 'string' }, help: { type: 'boolean', default: false } } as const);
  if (values.help) return 'help';
  if (values.to === undefined || values.to === '') throw new OptionsError('--to DIR is missing');
  refuseDatabaseUrl(env);
  return { dataDir: dataDirOf(env), to: resolve(values.to) };
}

export function parseRestoreOptions(args: readonly string[], env: NodeJS.ProcessEnv): RestoreOptions | 'help' {
  const values = parsed(args, {
    from: { type: 'string' },
    'no-later-history': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const);
  if (values.help) return 'help';
  if (values.from === undefined || values.from === '') throw new OptionsError('--from DIR is missing');
  refuseDatabaseUrl(env);
  const lead = allocationConfigSchema.shape.STOCK_LEAD_MS.safeParse(env['STOCK_LEAD_MS'] || undefined);
  if (!lead.success) throw new OptionsError(`STOCK_LEAD_MS: ${lead.error.issues[0]?.message ?? 'is wrong'}`);
  return {
    from: resolve(values.from),
    dataDir: dataDirOf(env),
    hadLaterHistory: !values['no-later-history'],
    stockLeadMs: lead.data,
    hasExternalRedis: Boolean(env['REDIS_URL']),
  };
}

function dataDirOf(env: NodeJS.ProcessEnv): string {
  return resolve(env['DATA_DIR'] || '.data');
}

function refuseDatabaseUrl(env: NodeJS.ProcessEnv): void {
  if (!env['DATABASE_URL']) return;
  throw new OptionsError(
    'DATABASE_URL is set: this command is for the PostgreSQL that npm start keeps in DATA_DIR. Back another one up with its own means (docs/backup.md)',
  );
}

type Definitions = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;

function parsed<const T extends Definitions>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false, strict: true }).values;
  } catch (cause) {
    throw new OptionsError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
