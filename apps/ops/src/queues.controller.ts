import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res, UseGuards } from '@nestjs/common';
import { actRequestSchema, type DeadLetter, isoOf, type LaneView } from '#libs/contracts';
import { ProblemError, type StreamReply, validate } from '#libs/runtime';
import { throwRedisProblem } from './away.ts';
import { type AuditLog, type DeadLetterList, readAuditLog, readDeadLetters } from './lists.ts';
import { opsParts } from './ops.tokens.ts';
import { CurrentActor, ForOperators, ForViewers, OpsAuthGuard } from './ops-auth.guard.ts';
import type { OpsParts } from './ops-parts.ts';
import type { Actor } from './ops-tokens.ts';
import { pageOf } from './page-query.ts';

const deadLetterId = /^[1-9]\d{0,17}$/;

/** What is on its way, what got stuck, who did what. */
@Controller('ops/v1')
@UseGuards(OpsAuthGuard)
export class QueuesController {
  constructor(@Inject(opsParts) private readonly parts: OpsParts) {}

  @Get('lanes')
  @ForViewers()
  async lanes(): Promise<{ lanes: LaneView[]; asOf: string }> {
    return { lanes: await this.parts.lanes.read().catch(throwRedisProblem), asOf: isoOf(this.parts.nowMs()) };
  }

  @Get('dead-letters')
  @ForViewers()
  deadLetters(@Query() query: Record<string, unknown>): Promise<DeadLetterList> {
    return readDeadLetters(this.parts.prisma, pageOf(query));
  }

  @Post('dead-letters/:id/replay')
  @HttpCode(200)
  @ForOperators()
  replay(@CurrentActor() actor: Actor, @Param('id') id: string, @Body() body: unknown): Promise<DeadLetter> {
    const { reason } = validate(actRequestSchema, body);
    if (!deadLetterId.test(id)) throw new ProblemError('dead_letter_unknown');
    const path = `/internal/v1/dead-letters/${id}/replay`;
    return this.parts.audit.perform({ actor, action: 'dead_letter.replay', target: `dead_letter:${id}`, reason }, () =>
      this.parts.allocation.json<DeadLetter>({ method: 'POST', path }),
    );
  }

  @Get('audit-log')
  @ForViewers()
  auditLog(@Query() query: Record<string, unknown>): Promise<AuditLog> {
    return readAuditLog(this.parts.prisma, pageOf(query));
  }

  @Get('stream')
  @ForViewers()
  stream(@Res() reply: StreamReply): void {
    this.parts.live.open(reply);
  }
}
