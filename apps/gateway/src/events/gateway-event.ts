import type { EventSnapshot } from '#libs/contracts';
import { type Claim, hasPacket, packetRefOf } from '#libs/domain';

export type SponsorRef = { readonly id: string; readonly name: string };
export type PoolSnapshot = EventSnapshot['pools'][number];

/** An event as a gateway holds it in memory: the published snapshot and what is looked up in it per request. */
export interface GatewayEvent {
  readonly snapshot: EventSnapshot;
  readonly idText: string;
  readonly sponsors: ReadonlyMap<number, SponsorRef>;
  readonly pools: ReadonlyMap<number, PoolSnapshot>;
}

export function gatewayEventOf(snapshot: EventSnapshot): GatewayEvent {
  return {
    snapshot,
    idText: String(snapshot.id),
    sponsors: new Map(snapshot.sponsors.map(({ no, id, name }) => [no, { id, name }])),
    pools: new Map(snapshot.pools.map((pool) => [pool.poolId, pool])),
  };
}

/** True when the event has the packet of this claim, from this sponsor. */
export function isOfEvent(
  event: GatewayEvent,
  { packetId, sponsorNo }: Pick<Claim, 'packetId' | 'sponsorNo'>,
): boolean {
  const ref = packetRefOf(packetId);
  const pool = event.pools.get(ref.poolId);
  return pool !== undefined && pool.sponsorNo === sponsorNo && hasPacket(pool, ref);
}
