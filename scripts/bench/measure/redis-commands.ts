import type { RedisClient } from '#libs/redis';
import { RefusedError } from '../frame/suite.ts';
import { addressesIn, type CommandCount, CommandCounter } from './command-lines.ts';
import { watchCommands } from './redis-monitor.ts';

/** A Redis server, and a client of it. */
export interface CountedStore {
  readonly server: { readonly url: string };
  readonly client: RedisClient;
}

/**
 * Counts the commands of the connections whose name `isMeant` while `work` runs.
 * @throws RefusedError when connections were replaced meanwhile: what the new ones sent was not counted.
 */
export async function countCommands<T>(
  { server, client }: CountedStore,
  isMeant: (name: string) => boolean,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly commands: CommandCount }> {
  const addresses = async () => addressesIn(String(await client.client('LIST')), isMeant);
  const before = await addresses();
  const counter = new CommandCounter(before);
  const watch = await watchCommands(server.url, (source) => counter.add(source));
  try {
    const result = await work();
    const after = await addresses();
    const isSame = before.size > 0 && before.size === after.size && [...before].every((one) => after.has(one));
    if (!isSame) throw new RefusedError('connections to Redis were replaced while their commands were counted');
    return { result, commands: counter.count };
  } finally {
    watch.close();
  }
}
