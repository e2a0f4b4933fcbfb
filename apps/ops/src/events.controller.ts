import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, UseGuards } from '@nestjs/common';
import {
  actRequestSchema,
  createEventRequestSchema,
  eventIdSchema,
  type OpsEvent,
  type Reconciliation,
} from '#libs/contracts';
import { eventIdMax } from '#libs/domain';
import { type InternalClient, ProblemError, validate } from '#libs/runtime';
import { type EventList, listEvents } from './list-events.ts';
import { opsParts } from './ops.tokens.ts';
import { CurrentActor, ForOperators, ForViewers, OpsAuthGuard } from './ops-auth.guard.ts';
import type { OpsParts } from './ops-parts.ts';
import type { Actor } from './ops-tokens.ts';
import { pageOf } from './page-query.ts';

type EventAct = 'arm' | 'close' | 'settle';

/** Events are written by allocation alone: acts go to it as idempotent commands, its refusals are passed on as they are. */
@Controller('ops/v1/events')
@UseGuards(OpsAuthGuard)
export class EventsController {
  constructor(@Inject(opsParts) private readonly parts: OpsParts) {}

  @Post()
  @ForOperators()
  create(@CurrentActor() actor: Actor, @Body() body: unknown): Promise<OpsEvent> {
    const { reason, ...plan } = validate(createEventRequestSchema, body);
    return this.parts.audit.perform(
      { actor, action: 'event.create', target: 'event:new', reason, detail: { title: plan.title } },
      () => this.parts.allocation.json<OpsEvent>({ method: 'POST', path: '/internal/v1/events', body: plan }),
      (event) => `event:${event.id}`,
    );
  }

  @Get()
  @ForViewers()
  list(@Query() query: Record<string, unknown>): Promise<EventList> {
    return listEvents(this.parts.prisma, pageOf(query));
  }

  @Get(':eventId')
  @ForViewers()
  one(@Param('eventId') eventId: string): Promise<OpsEvent> {
    return this.parts.allocation.json<OpsEvent>({ method: 'GET', path: `/internal/v1/events/${known(eventId)}` });
  }

  @Post(':eventId/arm')
  @HttpCode(200)
  @ForOperators()
  arm(@CurrentActor() actor: Actor, @Param('eventId') eventId: string, @Body() body: unknown): Promise<OpsEvent> {
    return this.act('arm', actor, eventId, body);
  }

  @Post(':eventId/close')
  @HttpCode(200)
  @ForOperators()
  close(@CurrentActor() actor: Actor, @Param('eventId') eventId: string, @Body() body: unknown): Promise<OpsEvent> {
    return this.act('close', actor, eventId, body);
  }

  @Post(':eventId/settle')
  @HttpCode(200)
  @ForOperators()
  settle(@CurrentActor() actor: Actor, @Param('eventId') eventId: string, @Body() body: unknown): Promise<OpsEvent> {
    return this.act('settle', actor, eventId, body, this.parts.reports);
  }

  @Get(':eventId/reconciliation')
  @ForViewers()
  reconciliation(@Param('eventId') eventId: string): Promise<Reconciliation> {
    const path = `/internal/v1/events/${known(eventId)}/reconciliation`;
    // long work is not begun a second time because its answer was lost
    return this.parts.reports.json<Reconciliation>({ method: 'GET', path, isRepeatable: false });
  }

  private act(
    act: EventAct,
    actor: Actor,
    id: string,
    body: unknown,
    link: InternalClient = this.parts.allocation,
  ): Promise<OpsEvent> {
    const { reason } = validate(actRequestSchema, body);
    const path = `/internal/v1/events/${known(id)}/${act}`;
    return this.parts.audit.perform({ actor, action: `event.${act}`, target: `event:${id}`, reason }, () =>
      link.json<OpsEvent>({ method: 'POST', path }),
    );
  }
}

/** An id that cannot exist is an unknown event like any other. */
function known(eventId: string): string {
  if (!eventIdSchema.safeParse(eventId).success || Number(eventId) > eventIdMax)
    throw new ProblemError('event_unknown');
  return eventId;
}
