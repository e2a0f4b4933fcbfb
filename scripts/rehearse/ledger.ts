import { deviceClock, HongbaoClient, type ReadOutcome } from '#libs/client';
import type { HistoryEntry } from '#libs/contracts';
import { isPassingError } from './patience.ts';
import type { Scene } from './scene.ts';

/** What the system's books say of one user, read through the public REST. */
export interface UserLedger {
  readonly userId: string;
  readonly packets: readonly HistoryEntry[];
  readonly balanceFen: number;
}

const readersAtOnce = 24;
const pageSize = 50;
/** Reads may come from a cache: they are repeated until they are younger than the last answer of the night. */
const freshTriesMax = 120;
const freshPauseMs = 500;

/** Reads history and wallet of every user, not older than `sinceMs` (server time). */
export async function readLedgers(
  scene: Scene,
  userIds: readonly string[],
  sinceMs: number,
): Promise<{ ledgers: UserLedger[]; unread: string[] }> {
  const ledgers: UserLedger[] = [];
  const unread: string[] = [];
  const queue = userIds.values();
  const read = async (): Promise<void> => {
    for (const userId of queue) {
      const ledger = await readLedger(scene, userId, sinceMs);
      if (ledger) ledgers.push(ledger);
      else unread.push(userId);
    }
  };
  await Promise.all(Array.from({ length: readersAtOnce }, read));
  return { ledgers, unread };
}

/** Undefined when the books could not be read in time. */
async function readLedger(scene: Scene, userId: string, sinceMs: number): Promise<UserLedger | undefined> {
  const client = new HongbaoClient({ baseUrl: scene.gatewayUrl, fetch: scene.fetch, userId });
  const wallet = await fresh(() => client.wallet(), sinceMs);
  if (!wallet) return undefined;
  const packets: HistoryEntry[] = [];
  let cursor: string | undefined;
  do {
    const at = cursor === undefined ? {} : { cursor };
    const page = await fresh(() => client.history({ limit: pageSize, ...at }), sinceMs);
    if (!page) return undefined;
    packets.push(...page.packets);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return { userId, packets, balanceFen: wallet.balanceFen };
}

async function fresh<T extends { readonly asOf: string }>(
  read: () => Promise<ReadOutcome<T>>,
  sinceMs: number,
): Promise<T | undefined> {
  for (let tries = 0; tries < freshTriesMax; tries += 1) {
    const outcome = await patiently(read);
    if (outcome?.outcome === 'ok' && Date.parse(outcome.value.asOf) >= sinceMs) return outcome.value;
    await deviceClock.sleep(freshPauseMs);
  }
  return undefined;
}

/** An outage during the reads is no fault of the books. */
async function patiently<T>(read: () => Promise<ReadOutcome<T>>): Promise<ReadOutcome<T> | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isPassingError(error)) return undefined;
    throw error;
  }
}
