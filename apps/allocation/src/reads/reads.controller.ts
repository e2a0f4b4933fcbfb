import { Controller, Get, Inject, Param, Query, UseGuards } from '@nestjs/common';
import { z } from 'zod';
import { type History, historyPageMax, type PacketStatus, userIdSchema, type Wallet } from '#libs/contracts';
import { listPackets, readPacketStatus, readWallet } from '#libs/database';
import { epochMax, parsePacketId } from '#libs/domain';
import { ProblemError, validate } from '#libs/runtime';
import type { AllocationParts } from '../process/allocation-parts.ts';
import { throwAwayProblem } from '../process/away.ts';
import { InternalTokenGuard } from '../process/internal-token.guard.ts';
import { allocationParts } from '../process/tokens.ts';
import { historyOf, packetStatusOf, walletOf } from './ledger-views.ts';

const historyPageDefault = 20;

const statusQuerySchema = z.object({
  userId: userIdSchema,
  /** Of the caller's ticket or receipt: the question is about that ticket then. */
  epoch: z.coerce.number().int().min(1).max(epochMax).optional(),
});
const historyQuerySchema = z.object({
  cursor: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(historyPageMax).default(historyPageDefault),
});

/** What the ledger says to users, asked by gateways behind their bulkhead; the connections are apart from settlement's. */
@Controller('internal/v1')
@UseGuards(InternalTokenGuard)
export class ReadsController {
  constructor(@Inject(allocationParts) private readonly parts: AllocationParts) {}

  @Get('packets/:packetId')
  async packetStatus(@Param('packetId') id: string, @Query() query: unknown): Promise<PacketStatus> {
    const { userId, epoch } = validate(statusQuerySchema, query);
    const packetId = parsePacketId(id);
    if (packetId === undefined) throw new ProblemError('bad_request', 'packetId: must be a packet id');
    const question = { packetId, userId, ...(epoch === undefined ? {} : { epoch }) };
    return packetStatusOf(await readPacketStatus(this.parts.resources.readPool, question).catch(throwAwayProblem));
  }

  @Get('users/:userId/packets')
  async history(@Param('userId') user: string, @Query() query: unknown): Promise<History> {
    const userId = validate(userIdSchema, user);
    const { cursor, limit } = validate(historyQuerySchema, query);
    const page = { userId, limit, ...(cursor === undefined ? {} : { cursor }) };
    const { packets, nextCursor } = await listPackets(this.parts.resources.readPool, page).catch(throwHistoryProblem);
    return historyOf(packets, nextCursor, Date.now());
  }

  @Get('users/:userId/wallet')
  async wallet(@Param('userId') user: string): Promise<Wallet> {
    const userId = validate(userIdSchema, user);
    return walletOf(await readWallet(this.parts.resources.readPool, userId).catch(throwAwayProblem));
  }
}

function throwHistoryProblem(error: unknown): never {
  if (error instanceof RangeError)
    throw new ProblemError('bad_request', 'cursor: is not one of ours', {}, { cause: error });
  return throwAwayProblem(error);
}
