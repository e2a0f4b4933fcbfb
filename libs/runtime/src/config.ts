import type { z } from 'zod';

/** The settings cannot be used. `message` names every bad setting, one per line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Parses the environment once by `schema`; empty strings count as absent. The result is frozen.
 * @throws ConfigError that names every missing or wrong setting of `service` in one message (values are never printed).
 */
export function loadConfig<Schema extends z.ZodType>(
  service: string,
  schema: Schema,
  env: NodeJS.ProcessEnv,
): Readonly<z.output<Schema>> {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = schema.safeParse(present);
  if (parsed.success) return Object.freeze(parsed.data) as Readonly<z.output<Schema>>;
  const faults = parsed.error.issues.map((issue) => {
    const name = issue.path.join('.');
    const missing = issue.code === 'invalid_type' && !(name in present);
    return `  ${name}: ${missing ? 'is missing' : issue.message}`;
  });
  throw new ConfigError(`${service} cannot start, ${faults.length} bad setting(s):\n${faults.join('\n')}`);
}
