import { isDataError } from '../../errors.ts';
import { inTransaction } from '../../pool.ts';
import { closeDeadLetter } from '../../sql/close-dead-letter.sql.ts';
import { insertDeadLetters } from '../../sql/insert-dead-letters.sql.ts';
import { readPacketStatus } from '../../sql/packet-status.sql.ts';
import { type GrabClaim, type GrabSettlement, settleGrabs } from '../../sql/settle-grabs.sql.ts';
import { type OpenSettlement, settleOpens } from '../../sql/settle-opens.sql.ts';
import { mismatch } from './order.ts';
import { keyOf } from './reference.ts';
import { settleGrabs as bookGrabs, portionsOf } from './reference-grabs.ts';
import type { Acceptance, Job, Ticket } from './store.ts';
import type { Task } from './task.ts';
import type { World } from './world.ts';

/* The consumers of the lanes, and who replays what they set aside, in the order of steps of apps/allocation/src/settlement. */

/** Settles jobs together; whoever cannot be settled is found alone and becomes a dead letter (invariant 9). */
export async function work(task: Task, world: World, jobs: readonly Job[]): Promise<void> {
  const { store } = world;
  const acceptances = jobs.map(({ acceptance }) => acceptance);
  try {
    await settle(task, world, acceptances);
  } catch (error) {
    if (!isDataError(error)) throw error;
    if (jobs.length === 1) await bury(task, world, acceptances[0]!);
    else for (const job of jobs) await work(task, world, [job]);
    if (jobs.length > 1) return;
  }
  await task.step(() => store.leave(jobs));
  await task.step(() => store.finish(jobs));
}

/** The function's work and its commit are two steps here: what comes in between finds its locks held. */
async function settle(
  task: Task,
  world: World,
  acceptances: readonly Acceptance[],
  isMended = false,
): Promise<readonly OpenSettlement[]> {
  const claims = acceptances.map((acceptance) => world.claimOf(acceptance, isMended));
  let answers: readonly OpenSettlement[] = [];
  task.atCommit(() => world.bookOpens(acceptances, claims, answers));
  await task.withClient((db) =>
    inTransaction(db, async (client) => {
      answers = await settleOpens(client, claims);
    }),
  );
  return answers;
}

async function bury(task: Task, world: World, { ticket, acceptedAtMs, isPoison }: Acceptance): Promise<void> {
  mismatch.unlessTrue(isPoison, `the open ${keyOf(ticket)} can be settled, and is refused as data`);
  const { packetId, userId, epoch } = ticket;
  const eventId = world.reference.event.id;
  const item = { packetId: String(packetId), userId, epoch, eventId, acceptedAtMs };
  const letter = { kind: 'open', lane: 'open-0', eventId, packetId, userId, epoch, item, error: 'poison' } as const;
  task.atCommit(() => world.reference.letters.set(keyOf(ticket), true));
  await task.withClient((db) => inTransaction(db, (client) => insertDeadLetters(client, [letter])));
}

/** The fault was mended: the letter's item is settled as it was accepted, and what came of it is noted. */
export async function replay(task: Task, world: World, acceptance: Acceptance): Promise<void> {
  const { packetId, userId, epoch } = acceptance.ticket;
  const answers = await settle(task, world, [acceptance], true);
  await task.withClient(async (db) => {
    const { rows } = await db.query<{ id: bigint }>(
      'SELECT id FROM dead_letters WHERE packet_id = $1 AND user_id = $2 AND epoch = $3',
      [packetId, userId, epoch],
    );
    task.atCommit(() => world.reference.letters.set(keyOf(acceptance.ticket), false));
    await inTransaction(db, (client) => closeDeadLetter(client, { id: rows[0]!.id, outcome: answers[0] }));
  });
}

/** An open that no gateway should have accepted: the second guard (invariant 3) alone decides. */
export async function openLate(task: Task, world: World, ticket: Ticket): Promise<void> {
  const acceptance = { ticket, acceptedAtMs: world.nowMs, isPoison: false, isDurable: false };
  await settle(task, world, [acceptance]);
}

/** Friends who take portions of a share, which is its owner's ticket. */
export async function grab(task: Task, world: World, share: Ticket, friends: readonly string[]): Promise<void> {
  const { nowMs, reference } = world;
  const { packetId, epoch, userId: ownerId } = share;
  const portionsFen = portionsOf(reference, packetId);
  const claims = friends.map((userId): GrabClaim => {
    return { packetId, epoch, ownerId, userId, eventId: reference.event.id, acceptedAtMs: nowMs, portionsFen };
  });
  const sinceCommitNo = reference.commits;
  let answers: readonly GrabSettlement[] = [];
  task.atCommit(() => bookGrabs(reference, claims, answers, sinceCommitNo));
  await task.withClient((db) =>
    inTransaction(db, async (client) => {
      answers = await settleGrabs(client, claims);
    }),
  );
}

/** What the ledger says of a ticket when somebody asks: never anything else than what its open is told (invariant 7). */
export async function recall(task: Task, world: World, ticket: Ticket): Promise<void> {
  const { packetId, userId, epoch } = ticket;
  const { reference } = world;
  await task.withClient(async (client) => {
    const { status } = await readPacketStatus(client, { packetId, userId, epoch });
    const known = reference.outcomes.get(keyOf(ticket));
    const isGone = reference.blockOf(packetId)?.state === 'retired';
    const undecided = isGone ? 'uncertain' : 'open';
    const allowed = new Set([known ?? undecided]);
    if (known === undefined && reference.hasLapsed(packetId, epoch)) allowed.add('expired').delete(undecided);
    if (known === undefined && reference.letters.get(keyOf(ticket)) === true) allowed.add('pending');
    mismatch.unlessIn(allowed, status, `the status of ${keyOf(ticket)}`);
  });
}
