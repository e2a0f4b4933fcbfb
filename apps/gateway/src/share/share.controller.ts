import { Body, Controller, Header, Headers, Inject, Param, Post, Req } from '@nestjs/common';
import { createShareRequestSchema, type Share } from '#libs/contracts';
import { validate } from '#libs/runtime';
import type { AddressedRequest } from '../events/public-address.ts';
import { SessionVerifier } from '../sessions/session-verifier.ts';
import { ShareTokensService } from './share-tokens.service.ts';

@Controller('v1/packets/:packetId/share')
export class ShareController {
  constructor(
    @Inject(SessionVerifier) private readonly sessions: SessionVerifier,
    @Inject(ShareTokensService) private readonly shareTokens: ShareTokensService,
  ) {}

  @Post()
  @Header('cache-control', 'no-store')
  async create(
    @Headers('authorization') authorization: string | undefined,
    @Param('packetId') packetId: string,
    @Body() body: unknown,
    @Req() address: AddressedRequest,
  ): Promise<Share> {
    const { userId } = await this.sessions.verify(authorization);
    const { ticket } = validate(createShareRequestSchema, body ?? {});
    return await this.shareTokens.create({ packetId, ticket, userId, address });
  }
}
