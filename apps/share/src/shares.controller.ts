import { Controller, Get, Headers, Inject, Param, Post, Res, UseGuards } from '@nestjs/common';
import { type GrabAnswer, type SharePage, userHeader, userIdSchema } from '#libs/contracts';
import { ProblemError, validate } from '#libs/runtime';
import { AdmissionGuard } from './admission.guard.ts';
import { InternalTokenGuard } from './internal-token.guard.ts';
import { shareParts } from './share.tokens.ts';
import { shareClaimOf } from './share-claim.ts';
import type { ShareParts } from './share-parts.ts';

@Controller('internal/v1/shares')
@UseGuards(InternalTokenGuard, AdmissionGuard)
export class SharesController {
  constructor(@Inject(shareParts) private readonly parts: ShareParts) {}

  @Get(':token')
  page(@Param('token') token: string, @Headers(userHeader) user: string | undefined): Promise<SharePage> {
    const userId = user === undefined ? undefined : validate(userIdSchema, user);
    return this.parts.pages.page(shareClaimOf(this.parts.keyRing, token), userId);
  }

  @Post(':token/grab')
  async grab(
    @Param('token') token: string,
    @Headers(userHeader) user: string | undefined,
    @Res({ passthrough: true }) reply: { code(status: number): unknown },
  ): Promise<GrabAnswer> {
    if (user === undefined) throw new ProblemError('unauthenticated');
    const answer = await this.parts.grabs.grab(shareClaimOf(this.parts.keyRing, token), validate(userIdSchema, user));
    reply.code(answer.status === 'pending' ? 202 : 200);
    return answer;
  }
}
