import { Body, Controller, Headers, HttpCode, Inject, Post, Res } from '@nestjs/common';
import { type OpenAnswer, openRequestSchema } from '#libs/contracts';
import { validate } from '#libs/runtime';
import { type StatusReply, withStatus } from '../packets/status-reply.ts';
import { SessionVerifier } from '../sessions/session-verifier.ts';
import { OpensService } from './opens.service.ts';

@Controller('v1/packets')
export class OpenController {
  constructor(
    @Inject(SessionVerifier) private readonly sessions: SessionVerifier,
    @Inject(OpensService) private readonly opens: OpensService,
  ) {}

  @Post('open')
  @HttpCode(200)
  async open(
    @Headers('authorization') authorization: string | undefined,
    @Headers('x-shake-state') stateHeader: string | undefined,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: StatusReply,
  ): Promise<OpenAnswer> {
    const { userId } = await this.sessions.verify(authorization);
    return withStatus(reply, await this.opens.open(validate(openRequestSchema, body), { userId, stateHeader }));
  }
}
