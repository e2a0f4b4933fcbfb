import { Body, Controller, Inject, Post, Req } from '@nestjs/common';
import { createSessionRequestSchema, type Session } from '#libs/contracts';
import { validate } from '#libs/runtime';
import type { VisitorRequest } from '../abuse/doorkeeper.ts';
import { GuestSessionsService } from './guest-sessions.service.ts';

/** A Fastify request, as far as it is needed here. */
interface RoutedRequest {
  readonly raw: VisitorRequest;
}

@Controller('v1/sessions')
export class SessionsController {
  constructor(@Inject(GuestSessionsService) private readonly guests: GuestSessionsService) {}

  @Post()
  create(@Body() body: unknown, @Req() request: RoutedRequest): Session {
    return this.guests.create(request.raw, validate(createSessionRequestSchema, body ?? {}).userId);
  }
}
