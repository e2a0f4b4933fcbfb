import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The user that PostgreSQL runs as when this process is root: PostgreSQL refuses to run as root. */
export type Identity = { uid: number; gid: number };

const userName = 'postgres';

/** Undefined when this process is not root: PostgreSQL then runs as this process's own user. Makes the user when it is missing. */
export async function postgresIdentity(): Promise<Identity | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const known = await findUser();
  if (known !== undefined) return known;
  await addUser();
  const added = await findUser();
  if (added === undefined) throw new Error(`The system user ${userName} was added but is not in /etc/passwd`);
  return added;
}

async function findUser(): Promise<Identity | undefined> {
  const passwd = await readFile('/etc/passwd', 'utf8');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === userName);
  return fields === undefined ? undefined : { uid: Number(fields[2]), gid: Number(fields[3]) };
}

async function addUser(): Promise<void> {
  const args = [
    '--system',
    '--user-group',
    '--no-create-home',
    '--home-dir',
    '/nonexistent',
    '--shell',
    '/usr/sbin/nologin',
  ];
  try {
    await run('useradd', [...args, userName]);
  } catch (cause) {
    // Two starts at once may both add it.
    if ((await findUser()) !== undefined) return;
    throw new Error(
      `PostgreSQL does not run as root and the system user "${userName}" cannot be added: add it (useradd --system ${userName}), start as another user, or set DATABASE_URL`,
      { cause },
    );
  }
}

/** May this user pass through every folder down to `path` and enter it? */
export function canEnter(identity: Identity, path: string): boolean {
  const probe = spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', path], { ...identity, cwd: '/', stdio: 'ignore' });
  return probe.status === 0;
}
