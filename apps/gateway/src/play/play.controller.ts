import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ProblemError } from '#libs/runtime';
import type { PlayPage } from './play-page.ts';

export const playPageToken = Symbol('playPage');

interface PageReply {
  type(value: string): PageReply;
  header(name: string, value: string): PageReply;
  send(body: string): unknown;
}

@Controller('play')
export class PlayController {
  constructor(@Inject(playPageToken) private readonly page: { readonly current: PlayPage | undefined }) {}

  @Get()
  show(@Res() reply: PageReply): void {
    const page = this.page.current;
    if (page === undefined) throw new ProblemError('not_found', 'the page was not built');
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', page.contentSecurityPolicy)
      .header('x-content-type-options', 'nosniff')
      .header('cache-control', 'no-cache')
      .send(page.html);
  }
}
