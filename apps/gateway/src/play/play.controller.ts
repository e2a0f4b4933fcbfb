import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ProblemError } from '#libs/runtime';
import type { AddressedRequest, Endpoints } from '../events/public-address.ts';
import type { PlayPage } from './play-page.ts';

export const playPageToken = Symbol('playPage');

export interface ServedPage {
  readonly current: PlayPage | undefined;
  /** The addresses that the page will call. */
  readonly endpointsFor: (request: AddressedRequest) => Endpoints;
}

interface PageReply {
  type(value: string): PageReply;
  header(name: string, value: string): PageReply;
  send(body: string): unknown;
}

@Controller('play')
export class PlayController {
  constructor(@Inject(playPageToken) private readonly page: ServedPage) {}

  @Get()
  show(@Req() request: AddressedRequest, @Res() reply: PageReply): void {
    const page = this.page.current;
    if (page === undefined) throw new ProblemError('not_found', 'the page was not built');
    const { shake, money } = this.page.endpointsFor(request);
    const known = [...new Set([shake, money])].filter((address) => URL.canParse(address));
    const origins = known.map((address) => new URL(address).origin);
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', page.contentSecurityPolicy(origins))
      .header('x-content-type-options', 'nosniff')
      .header('cache-control', 'no-cache')
      .send(page.html);
  }
}
