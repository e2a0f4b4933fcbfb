import type { Readable } from 'node:stream';
import { type GrabAnswer, type Leaderboard, type SharePage, userHeader } from '#libs/contracts';
import type { DegradationHolder, FeatureKey } from '#libs/degradation';
import { type KeyRing, verifyClaim } from '#libs/domain';
import { type InternalClient, ProblemError } from '#libs/runtime';
import type { EventBook } from '../events/event-book.ts';

/** The share service tells its streams something every 10 s. */
const feedSilenceMaxMs = 30_000;

export interface ShareForwarderParts {
  readonly ring: KeyRing;
  readonly book: EventBook;
  readonly degradation: Pick<DegradationHolder, 'isOn'>;
  /** One bulkhead each: pages cannot take the places of grabs, nor streams those of pages. */
  readonly clients: {
    readonly grabs: Pick<InternalClient, 'json'>;
    readonly reads: Pick<InternalClient, 'json'>;
    readonly feeds: Pick<InternalClient, 'stream'>;
  };
}

/**
 * What the share service answers, behind bulkheads: it may be away or slow without holding up anything else. What can be refused
 * without it is refused here: forged tokens, unknown events and features that have yielded cost it nothing.
 * All methods throw ProblemError as the contract names them, `dependency_unavailable` and `overloaded` among them.
 */
export class ShareForwarder {
  constructor(private readonly parts: ShareForwarderParts) {}

  page(shareToken: string, userId: string | undefined): Promise<SharePage> {
    this.checkToken(shareToken);
    this.checkFeature('share_pages');
    const headers = userId === undefined ? {} : { [userHeader]: userId };
    return this.parts.clients.reads.json({ method: 'GET', path: `/internal/v1/shares/${shareToken}`, headers });
  }

  grab(shareToken: string, userId: string): Promise<GrabAnswer> {
    this.checkToken(shareToken);
    this.checkFeature('grabs');
    const path = `/internal/v1/shares/${shareToken}/grab`;
    return this.parts.clients.grabs.json({ method: 'POST', path, headers: { [userHeader]: userId } });
  }

  leaderboard(eventId: string): Promise<Leaderboard> {
    this.checkEvent(eventId);
    this.checkFeature('leaderboard');
    return this.parts.clients.reads.json({ method: 'GET', path: `/internal/v1/events/${eventId}/leaderboard` });
  }

  /** The feed of an event, as server-sent events. */
  feed(eventId: string): Promise<Readable> {
    this.checkEvent(eventId);
    this.checkFeature('feed');
    return this.parts.clients.feeds.stream({ path: `/internal/v1/events/${eventId}/feed` }, feedSilenceMaxMs);
  }

  private checkToken(shareToken: string): void {
    if (verifyClaim(this.parts.ring, 'share', shareToken) === undefined) throw new ProblemError('share_invalid');
  }

  private checkFeature(key: FeatureKey): void {
    if (!this.parts.degradation.isOn(key)) throw new ProblemError('feature_off');
  }

  private checkEvent(eventId: string): void {
    const { book } = this.parts;
    if (book.findByText(eventId) !== undefined) return;
    if (!book.isLoaded) throw new ProblemError('dependency_unavailable', 'the events are not known yet');
    throw new ProblemError('event_unknown');
  }
}
