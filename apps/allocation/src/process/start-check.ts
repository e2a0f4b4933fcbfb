import { loadEvents, type PrismaClient } from '#libs/database';

export interface LaneCounts {
  readonly openLaneCount: number;
  readonly grabLaneCount: number;
}

/** This process would leave lanes of a running event without a consumer. */
export class LaneCountError extends Error {
  override readonly name = 'LaneCountError';
}

/**
 * Refuses a start with fewer lanes than an event that goes on was armed with: what was accepted in the others would never be
 * settled. @throws LaneCountError that names the events.
 */
export async function assertLanesSuffice(prisma: PrismaClient, counts: LaneCounts): Promise<void> {
  const events = await loadEvents(prisma, { states: ['armed', 'live', 'closed'] });
  const wanting = events.filter(
    ({ openLaneCount, grabLaneCount }) =>
      (openLaneCount ?? 0) > counts.openLaneCount || (grabLaneCount ?? 0) > counts.grabLaneCount,
  );
  if (wanting.length === 0) return;
  const names = wanting.map(
    ({ id, openLaneCount, grabLaneCount }) => `${id} (${openLaneCount} open, ${grabLaneCount} grab)`,
  );
  throw new LaneCountError(
    `OPEN_LANES=${counts.openLaneCount} and GRAB_LANES=${counts.grabLaneCount} are fewer than events were armed with: ${names.join(', ')}`,
  );
}
