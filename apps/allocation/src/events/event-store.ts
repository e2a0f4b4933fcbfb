import { type EventRecord, loadEvents, type PrismaClient } from '#libs/database';

/** One event with its plan by id; undefined when there is none. Read fresh: commands decide by it. */
export async function loadEvent(prisma: PrismaClient, eventId: number): Promise<EventRecord | undefined> {
  const [event] = await loadEvents(prisma, { ids: [eventId] });
  return event;
}
