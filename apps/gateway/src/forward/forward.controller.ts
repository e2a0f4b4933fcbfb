import { Controller, Get, Header, Headers, Inject, Param, Post, Res } from '@nestjs/common';
import type { GrabAnswer, Leaderboard, SharePage } from '#libs/contracts';
import { type StatusReply, withStatus } from '../packets/status-reply.ts';
import { SessionVerifier } from '../sessions/session-verifier.ts';
import { FeedStreams, type StreamReply } from './feed-streams.ts';
import { ShareForwarder } from './share-forwarder.ts';

@Controller('v1')
export class ForwardController {
  constructor(
    @Inject(SessionVerifier) private readonly sessions: SessionVerifier,
    @Inject(ShareForwarder) private readonly shares: ShareForwarder,
    @Inject(FeedStreams) private readonly feeds: FeedStreams,
  ) {}

  @Get('shares/:shareToken')
  @Header('cache-control', 'no-store')
  async page(
    @Headers('authorization') authorization: string | undefined,
    @Param('shareToken') shareToken: string,
  ): Promise<SharePage> {
    const session = authorization === undefined ? undefined : await this.sessions.verify(authorization);
    return await this.shares.page(shareToken, session);
  }

  @Post('shares/:shareToken/grab')
  async grab(
    @Headers('authorization') authorization: string | undefined,
    @Param('shareToken') shareToken: string,
    @Res({ passthrough: true }) reply: StatusReply,
  ): Promise<GrabAnswer> {
    return withStatus(reply, await this.shares.grab(shareToken, await this.sessions.verify(authorization)));
  }

  @Get('events/:eventId/leaderboard')
  @Header('cache-control', 'max-age=1')
  leaderboard(@Param('eventId') eventId: string): Promise<Leaderboard> {
    return this.shares.leaderboard(eventId);
  }

  @Get('events/:eventId/feed')
  async feed(@Param('eventId') eventId: string, @Res() reply: StreamReply): Promise<void> {
    await this.feeds.pass(await this.shares.feed(eventId), reply);
  }
}
