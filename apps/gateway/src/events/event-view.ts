import { type EventView, isoOf } from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import { eventStateDue, startOffsetMs, type UserHash } from '#libs/domain';
import type { GatewayEvent } from './gateway-event.ts';
import type { Endpoints } from './public-address.ts';

export interface EventViewContext {
  readonly nowMs: number;
  readonly user: UserHash | undefined;
  readonly endpoints: Endpoints;
  readonly degradation: Pick<DegradationHolder, 'tier' | 'flags' | 'isOn'>;
}

/** The event as clients see it at `nowMs` (store clock); waves and sponsors yield with `event_details`. */
export function eventViewOf({ snapshot, idText, sponsors }: GatewayEvent, context: EventViewContext): EventView {
  const { nowMs, user, endpoints, degradation } = context;
  const hasDetails = degradation.isOn('event_details');
  return {
    id: idText,
    title: snapshot.title,
    state: eventStateDue(snapshot, nowMs) as EventView['state'],
    startsAt: isoOf(snapshot.startsAtMs),
    endsAt: isoOf(snapshot.endsAtMs),
    serverTime: isoOf(nowMs),
    startOffsetMs: user === undefined ? 0 : startOffsetMs(snapshot.id, user, snapshot.staggerMs),
    staggerMs: snapshot.staggerMs,
    shakeIntervalMs: snapshot.shakeIntervalMs,
    perUserMax: snapshot.perUserMax,
    sharesEndAt: isoOf(snapshot.sharesEndAtMs),
    endpoints,
    tier: degradation.tier(),
    features: degradation.flags(),
    sponsors: hasDetails ? [...sponsors.values()] : [],
    waves: hasDetails ? snapshot.waves.map(waveViewOf) : [],
    secretCommitment: snapshot.secretCommitment,
    ...(snapshot.secret === undefined ? {} : { secret: snapshot.secret }),
  };
}

function waveViewOf({
  no,
  startsAtMs,
  durationMs,
}: GatewayEvent['snapshot']['waves'][number]): EventView['waves'][number] {
  return { no, startsAt: isoOf(startsAtMs), endsAt: isoOf(startsAtMs + durationMs) };
}
