import type { EventView } from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import { eventStateDue, type UserHash } from '#libs/domain';
import { ProblemError } from '#libs/runtime';
import type { StoreTime } from '../process/store-time.ts';
import type { SessionVerifier } from '../sessions/session-verifier.ts';
import type { EventBook } from './event-book.ts';
import { type EventViewContext, eventViewOf } from './event-view.ts';
import type { GatewayEvent } from './gateway-event.ts';
import { type AddressedRequest, type EndpointSettings, endpointsOf } from './public-address.ts';

export type RequestLike = AddressedRequest;

/** What the events' answers are made from. */
export interface EventsParts {
  readonly book: EventBook;
  readonly time: StoreTime;
  readonly sessions: SessionVerifier;
  readonly degradation: DegradationHolder;
  readonly config: EndpointSettings;
}

/** Event answers, from memory. */
export class EventsService {
  constructor(private readonly parts: EventsParts) {}

  /** Live and coming events, the next one first. */
  async list(authorization: string | undefined, request: RequestLike): Promise<EventView[]> {
    const context = await this.contextOf(authorization, request);
    const isOpen = ({ snapshot }: GatewayEvent): boolean =>
      ['armed', 'live'].includes(eventStateDue(snapshot, context.nowMs));
    return [...this.parts.book.list()]
      .filter(isOpen)
      .sort((a, b) => a.snapshot.startsAtMs - b.snapshot.startsAtMs || a.snapshot.id - b.snapshot.id)
      .map((event) => eventViewOf(event, context));
  }

  /** @throws ProblemError `event_unknown`. */
  async one(idText: string, authorization: string | undefined, request: RequestLike): Promise<EventView> {
    const event = this.parts.book.findByText(idText);
    if (event === undefined) throw new ProblemError('event_unknown');
    return eventViewOf(event, await this.contextOf(authorization, request));
  }

  private async contextOf(authorization: string | undefined, request: RequestLike): Promise<EventViewContext> {
    const { time, degradation, config } = this.parts;
    const endpoints = endpointsOf(config, request);
    return { nowMs: time.approxMs(), user: await this.userOf(authorization), endpoints, degradation };
  }

  /** The answer is public: a session only adds the user's own start, and one that does not verify adds nothing. */
  private async userOf(authorization: string | undefined): Promise<UserHash | undefined> {
    if (authorization === undefined) return undefined;
    try {
      return (await this.parts.sessions.verify(authorization)).user;
    } catch (error) {
      if (error instanceof ProblemError) return undefined;
      throw error;
    }
  }
}
