import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalServer } from './local-server.ts';
import { startRedis } from './redis.ts';

export { CuttableLine } from './cuttable-line.ts';

const unstopped = new Set<string>();

/**
 * A Redis of its own for one test file, with the durability settings of production; `stop` also removes its data. Call that in
 * `afterAll`: a file that leaves one running fails.
 */
export async function startTestRedis(settings: Record<string, string> = {}): Promise<LocalServer> {
  const dir = await mkdtemp(join(tmpdir(), 'hongbao-test-redis-'));
  const removeAtExit = () => rmSync(dir, { recursive: true, force: true });
  process.once('exit', removeAtExit);
  unstopped.add(dir);
  const server = await startRedis({ dir, settings });
  const stop = async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
    process.off('exit', removeAtExit);
    unstopped.delete(dir);
  };
  // A view, not a copy: pid and isWanted change.
  return Object.create(server, { stop: { value: stop } }) as LocalServer;
}

/** The folders of the servers that were started here and not stopped yet. */
export function unstoppedTestServers(): string[] {
  return [...unstopped];
}
