import { Controller, Get, Header, Headers, Inject, Param, Query, Res } from '@nestjs/common';
import type { History, OpenAnswer, Wallet } from '#libs/contracts';
import { SessionVerifier } from '../sessions/session-verifier.ts';
import { PacketsService } from './packets.service.ts';
import { type StatusReply, withStatus } from './status-reply.ts';

@Controller('v1')
export class PacketsController {
  constructor(
    @Inject(SessionVerifier) private readonly sessions: SessionVerifier,
    @Inject(PacketsService) private readonly packets: PacketsService,
  ) {}

  @Get('packets/:packetId')
  async status(
    @Headers('authorization') authorization: string | undefined,
    @Headers('x-shake-state') stateHeader: string | undefined,
    @Param('packetId') packetId: string,
    @Query('receipt') receipt: string | string[] | undefined,
    @Res({ passthrough: true }) reply: StatusReply,
  ): Promise<OpenAnswer> {
    const { userId } = await this.sessions.verify(authorization);
    return withStatus(reply, await this.packets.status(packetId, receipt?.toString(), { userId, stateHeader }));
  }

  @Get('me/packets')
  @Header('cache-control', 'no-store')
  async history(
    @Headers('authorization') authorization: string | undefined,
    @Query() query: unknown,
  ): Promise<History> {
    const { userId } = await this.sessions.verify(authorization);
    return await this.packets.history(userId, query);
  }

  @Get('me/wallet')
  @Header('cache-control', 'no-store')
  async wallet(@Headers('authorization') authorization: string | undefined): Promise<Wallet> {
    const { userId } = await this.sessions.verify(authorization);
    return await this.packets.wallet(userId);
  }
}
