import { Controller, Get, Inject, Param, Res, UseGuards } from '@nestjs/common';
import { eventIdSchema, type Leaderboard } from '#libs/contracts';
import { eventIdMax } from '#libs/domain';
import { ProblemError, type StreamReply } from '#libs/runtime';
import { AdmissionGuard } from './admission.guard.ts';
import { InternalTokenGuard } from './internal-token.guard.ts';
import { shareParts } from './share.tokens.ts';
import type { ShareParts } from './share-parts.ts';

@Controller('internal/v1/events/:eventId')
@UseGuards(InternalTokenGuard, AdmissionGuard)
export class ExtrasController {
  constructor(@Inject(shareParts) private readonly parts: ShareParts) {}

  @Get('leaderboard')
  leaderboard(@Param('eventId') eventId: string): Promise<Leaderboard> {
    return this.parts.leaderboards.read(eventIdOf(eventId));
  }

  @Get('feed')
  stream(@Param('eventId') eventId: string, @Res() reply: StreamReply): void {
    this.parts.feed.open(eventIdOf(eventId), reply);
  }
}

/** An id that cannot exist is an unknown event like any other. */
function eventIdOf(text: string): number {
  const id = eventIdSchema.safeParse(text).success ? Number(text) : 0;
  if (id === 0 || id > eventIdMax) throw new ProblemError('event_unknown');
  return id;
}
