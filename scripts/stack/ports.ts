import { join } from 'node:path';
import { z } from 'zod';
import { freePort, isPortFree } from '#libs/localservers';
import { readJsonFile, writeJsonFile } from './json-file.ts';

/**
 * A port for each name: the one of the last start (`dataDir/ports.json`) while it is free, else another free one; none of `reserved`,
 * where somebody will listen soon.
 */
export async function choosePorts(
  dataDir: string,
  names: readonly string[],
  reserved: readonly number[],
): Promise<Readonly<Record<string, number>>> {
  const path = join(dataDir, 'ports.json');
  const ports = { ...((await readJsonFile(path, z.record(z.string(), z.int()))) ?? {}) };
  for (const name of names) {
    const { [name]: last, ...others } = ports;
    const spoken = [...reserved, ...Object.values(others)];
    const isKept = last !== undefined && !spoken.includes(last) && (await isPortFree(last));
    ports[name] = isKept ? last : await anotherPort(spoken);
  }
  await writeJsonFile(path, ports);
  return ports;
}

async function anotherPort(spoken: readonly number[]): Promise<number> {
  const port = await freePort();
  return spoken.includes(port) ? await anotherPort(spoken) : port;
}
