/*
 * What the clients were told, answer by answer, written down where the SDK hands its requests over: the promises that the ledger is
 * held against. Times are this machine's clock, which is the store's too.
 */

/** A final answer that is no money. */
export type Denial = 'limit_reached' | 'sponsor_limit_reached' | 'ticket_expired' | 'packet_gone';

export type OpenSaid =
  | { readonly kind: 'credited'; readonly packetId: string; readonly amountFen: number }
  | { readonly kind: 'pending'; readonly packetId: string }
  | { readonly kind: 'denied'; readonly code: Denial }
  | NoAnswer;

export type GrabSaid =
  | { readonly kind: 'credited'; readonly portion: number; readonly amountFen: number }
  | { readonly kind: 'pending' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'expired' }
  | NoAnswer;

/** `refused`: a documented "not now"; `odd`: an answer that this request should never get; `lost`: none that could be read. */
export type NoAnswer =
  | { readonly kind: 'refused'; readonly status: number; readonly code: string; readonly retryAfterMs?: number }
  | { readonly kind: 'odd'; readonly status: number; readonly text: string }
  | { readonly kind: 'lost' };

interface Asked {
  readonly userId: string;
  readonly gateway: number;
  readonly sentAtMs: number;
  /** When the answer was read, or given up. */
  readonly atMs: number;
}

/** A packet in one of its epochs, as a ticket, receipt or share names it. */
interface Claimed {
  readonly packetId: string;
  readonly epoch: number;
}

export interface HitEntry extends Asked, Claimed {
  readonly what: 'hit';
  readonly sponsorId: string;
  readonly expiresAtMs: number;
}

export interface OpenEntry extends Asked, Claimed {
  /** `status`: asked with the receipt what became of it. */
  readonly what: 'open' | 'status';
  /** Of the ticket; unknown to a status. */
  readonly expiresAtMs: number | undefined;
  readonly hasReceipt: boolean;
  readonly said: OpenSaid;
}

export interface GrabEntry extends Asked, Claimed {
  readonly what: 'grab';
  readonly ownerId: string;
  readonly said: GrabSaid;
}

/** A shake that said that the event is over, or not begun. */
export interface WindowEntry extends Asked {
  readonly what: 'over' | 'not_started';
}

/** A shake whose answer nobody read: it may have won. */
export interface LostShakeEntry extends Asked {
  readonly what: 'lost_shake';
}

/** Any other request: only what is odd about it is of interest. */
export interface OtherEntry extends Asked {
  readonly what: 'other';
  readonly route: string;
  readonly said: Extract<NoAnswer, { kind: 'odd' }>;
}

export type Entry = HitEntry | OpenEntry | GrabEntry | WindowEntry | LostShakeEntry | OtherEntry;
