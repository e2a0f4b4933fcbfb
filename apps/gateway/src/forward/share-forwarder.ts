import type { Readable } from 'node:stream';
import { type GrabAnswer, importanceHeader, type Leaderboard, type SharePage, userHeader } from '#libs/contracts';
import { type DegradationHolder, type FeatureKey, featureOf } from '#libs/degradation';
import { type KeyRing, priorityAt, verifyClaim } from '#libs/domain';
import { type InternalClient, ProblemError } from '#libs/runtime';
import type { EventBook } from '../events/event-book.ts';
import type { StoreTime } from '../process/store-time.ts';
import type { Session } from '../sessions/session.ts';

/** The share service tells its streams something every 10 s. */
const feedSilenceMaxMs = 30_000;

export interface ShareForwarderParts {
  readonly ring: KeyRing;
  readonly book: EventBook;
  readonly time: Pick<StoreTime, 'approxMs'>;
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

  page(shareToken: string, session: Session | undefined): Promise<SharePage> {
    this.checkToken(shareToken);
    this.checkFeature('share_pages');
    const headers = this.headersOf('share_pages', session);
    return this.parts.clients.reads.json({ method: 'GET', path: `/internal/v1/shares/${shareToken}`, headers });
  }

  grab(shareToken: string, session: Session): Promise<GrabAnswer> {
    this.checkToken(shareToken);
    this.checkFeature('grabs');
    const path = `/internal/v1/shares/${shareToken}/grab`;
    const headers = this.headersOf('grabs', session);
    return this.parts.clients.grabs.json({ method: 'POST', path, headers, isRepeatable: true });
  }

  leaderboard(eventId: string): Promise<Leaderboard> {
    this.checkEvent(eventId);
    this.checkFeature('leaderboard');
    return this.parts.clients.reads.json({
      method: 'GET',
      path: `/internal/v1/events/${eventId}/leaderboard`,
      headers: this.headersOf('leaderboard', undefined),
    });
  }

  /** The feed of an event, as server-sent events. */
  feed(eventId: string): Promise<Readable> {
    this.checkEvent(eventId);
    this.checkFeature('feed');
    const headers = this.headersOf('feed', undefined);
    return this.parts.clients.feeds.stream({ path: `/internal/v1/events/${eventId}/feed`, headers }, feedSilenceMaxMs);
  }

  /** Who asks, and what the share service thins by when it must: it inherits the place that the user has here. */
  private headersOf(feature: FeatureKey, session: Session | undefined): Record<string, string> {
    const importance = featureOf(feature).class;
    // one whom we do not know has no luck to keep
    if (session === undefined) return { [importanceHeader]: `${importance} ${Math.random()}` };
    const priority = priorityAt(session.user, this.parts.time.approxMs());
    return { [userHeader]: session.userId, [importanceHeader]: `${importance} ${priority}` };
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
