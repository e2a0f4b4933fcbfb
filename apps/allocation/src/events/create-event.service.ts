import type { EventPlan } from '#libs/contracts';
import { createEvent, type EventRecord, type Pool, type PrismaClient } from '#libs/database';
import { findEventFaults } from '#libs/domain';
import { draftOf } from './event-draft.ts';
import { loadEvent } from './event-store.ts';

export interface CreateEventDeps {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  /** Wall clock: a draft needs no store. */
  readonly wallMs: () => number;
  readonly graceMs: number;
}

export type CreatedEvent =
  | { readonly outcome: 'done'; readonly event: EventRecord }
  | { readonly outcome: 'plan_invalid'; readonly faults: readonly string[] };

/** Keeps a plan as a draft, if it can be held. */
export class CreateEvent {
  constructor(private readonly deps: CreateEventDeps) {}

  async create(plan: EventPlan): Promise<CreatedEvent> {
    const { pool, prisma, wallMs, graceMs } = this.deps;
    const draft = draftOf(plan, graceMs);
    const faults = findEventFaults(draft);
    if (faults.length > 0) return { outcome: 'plan_invalid', faults };
    const eventId = await createEvent(pool, draft, wallMs());
    const event = await loadEvent(prisma, eventId);
    if (event === undefined) throw new Error(`event ${eventId} was created and is not there`);
    return { outcome: 'done', event };
  }
}
