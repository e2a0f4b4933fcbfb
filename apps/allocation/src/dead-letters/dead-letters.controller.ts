import { Controller, HttpCode, Inject, Param, Post, UseGuards } from '@nestjs/common';
import { type DeadLetter, isoOf } from '#libs/contracts';
import type { DeadLetterRecord } from '#libs/database';
import { ProblemError } from '#libs/runtime';
import type { AllocationParts } from '../process/allocation-parts.ts';
import { throwAwayProblem } from '../process/away.ts';
import { InternalTokenGuard } from '../process/internal-token.guard.ts';
import { allocationParts } from '../process/tokens.ts';
import type { ReplayOutcome } from './replay.service.ts';

/** Dead letters are listed by ops; settling one again is for the writer of money alone. */
@Controller('internal/v1/dead-letters')
@UseGuards(InternalTokenGuard)
export class DeadLettersController {
  constructor(@Inject(allocationParts) private readonly parts: AllocationParts) {}

  @Post(':id/replay')
  @HttpCode(200)
  async replay(@Param('id') id: string): Promise<DeadLetter> {
    if (!/^[1-9]\d{0,17}$/.test(id)) throw new ProblemError('dead_letter_unknown');
    return answerOf(await this.parts.replayDeadLetter.replay(BigInt(id)).catch(throwAwayProblem));
  }
}

function answerOf(result: ReplayOutcome): DeadLetter {
  switch (result.outcome) {
    case 'done':
      return deadLetterOf(result.letter);
    case 'dead_letter_unknown':
      throw new ProblemError('dead_letter_unknown');
    case 'state_conflict':
      throw new ProblemError('state_conflict', result.detail);
  }
}

function deadLetterOf(letter: DeadLetterRecord): DeadLetter {
  return {
    id: String(letter.id),
    kind: letter.kind,
    lane: letter.lane,
    eventId: String(letter.eventId),
    packetId: String(letter.packetId),
    userId: letter.userId,
    error: letter.error,
    createdAt: isoOf(letter.createdAtMs),
    ...(letter.replayedAtMs === undefined ? {} : { replayedAt: isoOf(letter.replayedAtMs), outcome: letter.outcome }),
  };
}
