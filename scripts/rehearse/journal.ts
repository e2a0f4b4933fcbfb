import type { GrabOutcome, OpenOutcome, ShakeHit } from '#libs/client';

export interface CreditedOpen {
  readonly userId: string;
  readonly packetId: string;
  readonly sponsorId: string;
  readonly amountFen: number;
}

export interface DeniedOpen {
  readonly userId: string;
  readonly packetId: string;
  /** The outcome, as the SDK names it. */
  readonly told: string;
}

export interface CreditedGrab {
  readonly userId: string;
  readonly packetId: string;
  readonly portion: number;
  readonly amountFen: number;
}

/** The server's clock is known this well. */
const clockMarginMs = 1500;

interface TicketRecord {
  readonly userId: string;
  readonly hit: ShakeHit;
  credited?: CreditedOpen;
  denied?: string;
  unsettled: boolean;
  /** The server said to ask again when the event is settled. */
  isPutOff: boolean;
  /** It was told pending: an outcome was promised. */
  hasReceipt: boolean;
}

interface GrabRecord {
  readonly userId: string;
  readonly packetId: string;
  credited?: CreditedGrab;
  denied?: string;
  unsettled: boolean;
}

/**
 * What the users were told, kept on their side: the promises that the ledger is checked against. An answer that contradicts an
 * earlier one to the same question is a violation at once (invariants 6 and 7).
 */
export class Journal {
  readonly violations: string[] = [];
  private readonly tickets = new Map<string, TicketRecord>();
  /** The last ticket of each packet: another may exist only when it has expired (invariants 2 and 3). */
  private readonly packets = new Map<string, { readonly userId: string; readonly expiresAtMs: number }>();
  private readonly grabs = new Map<string, GrabRecord>();

  /** The same user may be given the same ticket again: a shake that is repeated has the same luck. */
  hit(userId: string, hit: ShakeHit, nowMs: number): void {
    const owner = this.tickets.get(hit.ticket)?.userId;
    if (owner === undefined) this.won(userId, hit, nowMs);
    else if (owner !== userId) this.violations.push(`the ticket of packet ${hit.packetId} was given to two users`);
  }

  private won(userId: string, hit: ShakeHit, nowMs: number): void {
    this.tickets.set(hit.ticket, { userId, hit, unsettled: false, isPutOff: false, hasReceipt: false });
    const before = this.packets.get(hit.packetId);
    this.packets.set(hit.packetId, { userId, expiresAtMs: Date.parse(hit.expiresAt) });
    if (before && nowMs + clockMarginMs < before.expiresAtMs) {
      this.violations.push(`packet ${hit.packetId}: given to ${userId} while the ticket of ${before.userId} was valid`);
    }
  }

  opened(ticket: string, outcome: OpenOutcome, nowMs: number): void {
    const record = this.tickets.get(ticket);
    if (!record) throw new Error('an open of a ticket that nobody won');
    const { userId, hit } = record;
    if (outcome.outcome === 'unsettled') {
      record.unsettled = true;
      record.isPutOff ||= outcome.reason === 'put_off';
      record.hasReceipt ||= outcome.entry.receipt !== undefined;
    } else if (outcome.outcome !== 'credited') {
      const isLate = outcome.outcome === 'expired' || outcome.outcome === 'gone';
      if (isLate && nowMs + clockMarginMs < Date.parse(hit.expiresAt)) {
        this.violations.push(`open of ${hit.packetId} by ${userId}: ${outcome.outcome} before the ticket expired`);
      }
      if (record.credited) this.contradict(`open of ${hit.packetId} by ${userId}`, 'credited', outcome.outcome);
      record.denied ??= outcome.outcome;
    } else {
      const { packetId, sponsor, amountFen } = outcome.packet;
      if (record.denied) this.contradict(`open of ${packetId} by ${userId}`, record.denied, 'credited');
      if (record.credited && record.credited.amountFen !== amountFen) {
        this.contradict(`open of ${packetId} by ${userId}`, `${record.credited.amountFen} fen`, `${amountFen} fen`);
      }
      if (packetId !== hit.packetId) this.contradict(`open by ${userId}`, `packet ${hit.packetId}`, packetId);
      record.credited ??= { userId, packetId, sponsorId: sponsor.id, amountFen };
    }
  }

  /** `isAfterEnd`: asked again after the shares had ended, when "expired" is a fair answer to a share that was grabbed before. */
  grabbed(grab: { shareToken: string; packetId: string; userId: string; isAfterEnd: boolean }, outcome: GrabOutcome) {
    const { userId, packetId, isAfterEnd } = grab;
    const key = `${grab.shareToken} ${userId}`;
    const record = this.grabs.get(key) ?? { userId, packetId, unsettled: false };
    this.grabs.set(key, record);
    const label = `grab of ${packetId} by ${userId}`;
    if (outcome.outcome === 'unsettled') {
      record.unsettled = true;
    } else if (outcome.outcome !== 'credited') {
      if (record.credited && !isAfterEnd) this.contradict(label, 'credited', outcome.outcome);
      record.denied ??= outcome.outcome;
    } else {
      const { amountFen, portion } = outcome;
      if (record.denied === 'empty') this.contradict(label, 'empty', 'credited');
      if (record.credited && (record.credited.amountFen !== amountFen || record.credited.portion !== portion)) {
        this.contradict(label, `portion ${record.credited.portion}`, `portion ${portion}`);
      }
      record.credited ??= { userId, packetId, portion, amountFen };
    }
  }

  creditedOpens(): CreditedOpen[] {
    return [...this.tickets.values()].flatMap(({ credited }) => credited ?? []);
  }

  deniedOpens(): DeniedOpen[] {
    return [...this.tickets.values()].flatMap(({ userId, hit, credited, denied }) =>
      denied && !credited ? { userId, packetId: hit.packetId, told: denied } : [],
    );
  }

  creditedGrabs(): CreditedGrab[] {
    return [...this.grabs.values()].flatMap(({ credited }) => credited ?? []);
  }

  /** Opens that the server put off until the event is settled. One with a receipt is none of them: it has to have its outcome by itself. */
  opensPutOff(): { readonly userId: string; readonly ticket: string }[] {
    return [...this.tickets]
      .filter(([, record]) => isWithoutOutcome(record) && record.isPutOff && !record.hasReceipt)
      .map(([ticket, { userId }]) => ({ userId, ticket }));
  }

  /** Opens and grabs that were sent and never got an outcome. */
  unsettled(): string[] {
    const opens = [...this.tickets.values()]
      .filter(isWithoutOutcome)
      .map(({ userId, hit }) => `open of packet ${hit.packetId} by ${userId} has no outcome`);
    const grabs = [...this.grabs.values()]
      .filter(isWithoutOutcome)
      .map(({ userId, packetId }) => `grab of packet ${packetId} by ${userId} has no outcome`);
    return [...opens, ...grabs];
  }

  private contradict(what: string, first: string, second: string): void {
    this.violations.push(`${what}: was told ${first}, then ${second}`);
  }
}

function isWithoutOutcome({ unsettled, credited, denied }: TicketRecord | GrabRecord): boolean {
  return unsettled && !credited && !denied;
}
