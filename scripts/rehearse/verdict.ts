import { HongbaoClient } from '#libs/client';
import type { Reconciliation } from '#libs/contracts';
import { findDoubles, findProofViolations, findUserViolations, type Promises } from './audit.ts';
import { readLedgers } from './ledger.ts';
import { insist } from './patience.ts';
import { settleEvent } from './proof.ts';
import { type Scene, serverNowMs } from './scene.ts';
import type { Stage } from './stage.ts';

export interface Verdict {
  readonly beforeSettle: Reconciliation;
  readonly afterSettle: Reconciliation | undefined;
  readonly violations: readonly string[];
}

/** A read that is younger than now by this much, by any clock, knows of every answer that was given. */
const clockMarginMs = 1500;

/** Closes the event, checks every promise against the books, settles, and takes the proof before and after. */
export async function passVerdict(
  { scene, night, ops }: Stage,
  userIds: readonly string[],
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Verdict> {
  const { eventId, journal, tasks } = scene;
  const promises: Promises = {
    opens: journal.creditedOpens(),
    denials: journal.deniedOpens(),
    grabs: journal.creditedGrabs(),
  };
  await insist(() => ops.close(eventId, 'rehearsal'), signal);
  const beforeSettle = await insist(() => ops.reconciliation(eventId), signal);
  say(`checking ${promises.opens.length} packets and ${promises.grabs.length} portions against the books`);
  const { ledgers, unread } = await readLedgers(scene, userIds, serverNowMs(scene) + clockMarginMs, signal);
  signal.throwIfAborted();
  const isSettled = await settleEvent(ops, eventId, signal);
  if (isSettled) await askPutOff(scene, signal);
  const afterSettle = isSettled ? await insist(() => ops.reconciliation(eventId), signal) : undefined;
  const rules = { eventId, perUserMax: night.plan.perUserMax ?? 1 };
  return {
    beforeSettle,
    afterSettle,
    violations: [
      ...(promises.opens.length === 0 ? ['nobody was credited anything: the night proves nothing'] : []),
      ...journal.violations,
      ...journal.unsettled(),
      ...tasks.defects,
      ...unread.map((userId) => `the books of ${userId} could not be read`),
      ...findDoubles(promises),
      ...findUserViolations(rules, promises, ledgers),
      ...findProofViolations('before settlement', beforeSettle, promises),
      ...(afterSettle ? findProofViolations('after settlement', afterSettle, promises) : ['the event was not settled']),
      ...(afterSettle?.unclaimedFen ? [`after settlement: ${afterSettle.unclaimedFen} fen are still unclaimed`] : []),
    ],
  };
}

/** What the server put off until the event is settled: it has an outcome now. */
async function askPutOff(scene: Scene, signal: AbortSignal): Promise<void> {
  for (const { userId, ticket } of scene.journal.opensPutOff()) {
    const client = new HongbaoClient({ baseUrl: scene.gatewayUrl, fetch: scene.fetch, userId });
    scene.journal.opened(ticket, await client.open(ticket, { signal }), serverNowMs(scene));
  }
}
