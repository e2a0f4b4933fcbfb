import { Body, Controller, Get, HttpCode, Inject, Param, Post, UseGuards } from '@nestjs/common';
import { eventPlanSchema, isoOf, type OpsEvent, type Reconciliation } from '#libs/contracts';
import { eventIdMax } from '#libs/domain';
import { ProblemError, validate } from '#libs/runtime';
import type { AllocationParts } from '../process/allocation-parts.ts';
import { throwAwayProblem } from '../process/away.ts';
import { InternalTokenGuard } from '../process/internal-token.guard.ts';
import { allocationParts } from '../process/tokens.ts';
import type { EventOutcome } from './event-outcome.ts';
import { loadEvent } from './event-store.ts';
import { opsEventOf } from './event-view.ts';

/** Commands on events, sent by ops: all idempotent. */
@Controller('internal/v1/events')
@UseGuards(InternalTokenGuard)
export class EventsController {
  constructor(@Inject(allocationParts) private readonly parts: AllocationParts) {}

  @Post()
  async create(@Body() body: unknown): Promise<OpsEvent> {
    const created = await this.parts.createEvent.create(validate(eventPlanSchema, body)).catch(throwAwayProblem);
    if (created.outcome === 'done') return opsEventOf(created.event);
    const { faults } = created;
    throw new ProblemError('plan_invalid', `the plan has ${faults.length} fault(s): ${faults[0]}`, { faults });
  }

  @Get(':eventId')
  async one(@Param('eventId') eventId: string): Promise<OpsEvent> {
    const event = await loadEvent(this.parts.resources.prisma, idOf(eventId)).catch(throwAwayProblem);
    if (event === undefined) throw new ProblemError('event_unknown');
    return opsEventOf(event);
  }

  @Post(':eventId/arm')
  @HttpCode(200)
  async arm(@Param('eventId') eventId: string): Promise<OpsEvent> {
    return answerOf(await this.parts.armEvent.arm(idOf(eventId)).catch(throwAwayProblem));
  }

  @Post(':eventId/close')
  @HttpCode(200)
  async close(@Param('eventId') eventId: string): Promise<OpsEvent> {
    return answerOf(await this.parts.closeEvent.close(idOf(eventId)).catch(throwAwayProblem));
  }

  @Post(':eventId/settle')
  @HttpCode(200)
  async settle(@Param('eventId') eventId: string): Promise<OpsEvent> {
    return answerOf(await this.parts.settleEvent.settle(idOf(eventId)).catch(throwAwayProblem));
  }

  @Get(':eventId/reconciliation')
  async reconciliation(@Param('eventId') eventId: string): Promise<Reconciliation> {
    const report = await this.parts.reconciler.reconcile(idOf(eventId)).catch(throwAwayProblem);
    if (report === undefined) throw new ProblemError('event_unknown');
    return report;
  }
}

/** An id that cannot exist is an unknown event like any other. */
function idOf(text: string): number {
  const id = Number(text);
  if (!/^[1-9]\d{0,9}$/.test(text) || id > eventIdMax) throw new ProblemError('event_unknown');
  return id;
}

function answerOf(result: EventOutcome): OpsEvent {
  switch (result.outcome) {
    case 'done':
      return opsEventOf(result.event);
    case 'event_unknown':
      throw new ProblemError('event_unknown');
    case 'state_conflict':
      throw new ProblemError('state_conflict', result.detail);
    case 'too_early':
      throw new ProblemError('too_early', result.detail, { possibleAt: isoOf(result.possibleAtMs) });
    case 'store_away':
      throw new ProblemError(
        'dependency_unavailable',
        'Redis is away or was replaced: neither clock nor lanes can be asked',
      );
  }
}
