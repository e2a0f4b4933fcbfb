import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile, writeJsonFile } from './json-file.ts';

const token = () => randomBytes(24).toString('base64url');

/** How each secret is made when neither the environment nor DATA_DIR has it. */
const makers = {
  OPS_TOKEN: token,
  OPS_VIEWER_TOKEN: token,
  INTERNAL_TOKEN: token,
  SESSION_SECRET: () => randomBytes(32).toString('base64url'),
  LUCK_SECRET: () => randomBytes(32).toString('base64url'),
  TICKET_KEYS: () => `1:${randomBytes(32).toString('base64url')}`,
} as const;

export type SecretName = keyof typeof makers;
export type Secrets = Record<SecretName, string>;
export const secretNames = Object.keys(makers) as SecretName[];

const fileSchema = z.partialRecord(z.enum(secretNames), z.string());

/** The secrets of this installation: from `env` where it has them, else from `dataDir/secrets.json` (0600), made on the first start. */
export async function loadSecrets(dataDir: string, env: Readonly<Record<string, string>>): Promise<Secrets> {
  const path = join(dataDir, 'secrets.json');
  const kept = (await readJsonFile(path, fileSchema)) ?? {};
  const complete = { ...makeSecrets(), ...kept };
  if (secretNames.some((name) => kept[name] === undefined)) await writeJsonFile(path, complete);
  const given = Object.fromEntries(secretNames.filter((name) => env[name]).map((name) => [name, env[name]]));
  return { ...complete, ...given };
}

/** New ones, random each time. */
export function makeSecrets(): Secrets {
  return Object.fromEntries(secretNames.map((name) => [name, makers[name]()])) as Secrets;
}
