import { Controller, Get, Header, Headers, Inject, Param, Req } from '@nestjs/common';
import type { EventView } from '#libs/contracts';
import { EventsService, type RequestLike } from './events.service.ts';

const secondOld = 'max-age=1';

@Controller('v1/events')
export class EventsController {
  constructor(@Inject(EventsService) private readonly events: EventsService) {}

  @Get()
  @Header('cache-control', secondOld)
  @Header('vary', 'authorization')
  async list(
    @Headers('authorization') authorization: string | undefined,
    @Req() request: RequestLike,
  ): Promise<{ events: EventView[] }> {
    return { events: await this.events.list(authorization, request) };
  }

  @Get(':eventId')
  @Header('cache-control', secondOld)
  @Header('vary', 'authorization')
  one(
    @Param('eventId') eventId: string,
    @Headers('authorization') authorization: string | undefined,
    @Req() request: RequestLike,
  ): Promise<EventView> {
    return this.events.one(eventId, authorization, request);
  }
}
