import { Body, Controller, Inject, Post } from '@nestjs/common';
import { createSessionRequestSchema, type Session } from '#libs/contracts';
import { validate } from '#libs/runtime';
import { GuestSessionsService } from './guest-sessions.service.ts';

@Controller('v1/sessions')
export class SessionsController {
  constructor(@Inject(GuestSessionsService) private readonly guests: GuestSessionsService) {}

  @Post()
  create(@Body() body: unknown): Promise<Session> {
    return this.guests.create(validate(createSessionRequestSchema, body ?? {}).userId);
  }
}
