import { setMaxListeners } from 'node:events';
import { deviceClock, HongbaoAbortedError, HongbaoClient, type ReadOutcome } from '#libs/client';
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
/** All books together; what could not be read by then is a violation. */
const readMaxMs = 180_000;
/** Reads may come from a cache: they are repeated until they are younger than the last answer of the night. */
const freshPauseMs = 500;

interface Reading {
  readonly scene: Scene;
  /** No answer older than this counts, server time. */
  readonly sinceMs: number;
  readonly giveUp: AbortSignal;
}

/** Reads history and wallet of every user, not older than `sinceMs` (server time). */
export async function readLedgers(
  scene: Scene,
  userIds: readonly string[],
  sinceMs: number,
  signal: AbortSignal,
): Promise<{ ledgers: UserLedger[]; unread: string[] }> {
  const ledgers: UserLedger[] = [];
  const unread: string[] = [];
  const queue = userIds.values();
  const giveUp = AbortSignal.any([signal, AbortSignal.timeout(readMaxMs)]);
  // Every reader's calls listen to it: no leak.
  setMaxListeners(0, giveUp);
  const read = async (): Promise<void> => {
    for (const userId of queue) {
      const ledger = await readLedger({ scene, sinceMs, giveUp }, userId);
      if (ledger) ledgers.push(ledger);
      else unread.push(userId);
    }
  };
  await Promise.all(Array.from({ length: readersAtOnce }, read));
  return { ledgers, unread };
}

/** Undefined when the books could not be read in time. */
async function readLedger(reading: Reading, userId: string): Promise<UserLedger | undefined> {
  const { scene, giveUp: signal } = reading;
  const client = new HongbaoClient({ baseUrl: scene.gatewayUrl, fetch: scene.fetch, userId });
  const wallet = await fresh(reading, () => client.wallet({ signal }));
  if (!wallet) return undefined;
  const packets: HistoryEntry[] = [];
  let cursor: string | undefined;
  do {
    const at = cursor === undefined ? {} : { cursor };
    const page = await fresh(reading, () => client.history({ limit: pageSize, ...at }, { signal }));
    if (!page) return undefined;
    packets.push(...page.packets);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return { userId, packets, balanceFen: wallet.balanceFen };
}

async function fresh<T extends { readonly asOf: string }>(
  { sinceMs, giveUp }: Reading,
  read: () => Promise<ReadOutcome<T>>,
): Promise<T | undefined> {
  while (!giveUp.aborted) {
    const outcome = await patiently(read);
    if (outcome?.outcome === 'ok' && Date.parse(outcome.value.asOf) >= sinceMs) return outcome.value;
    await deviceClock.sleep(freshPauseMs, giveUp);
  }
  return undefined;
}

/** An outage during the reads is no fault of the books. */
async function patiently<T>(read: () => Promise<ReadOutcome<T>>): Promise<ReadOutcome<T> | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isPassingError(error) || error instanceof HongbaoAbortedError) return undefined;
    throw error;
  }
}
