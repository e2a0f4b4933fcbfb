import { HongbaoUsageError } from './errors.ts';

/**
 * A ticket without an outcome. `won`: not asked to be opened yet; `opening`: an open was sent, so it may be booked already;
 * `pending`: the server has it and gave a receipt. Plain JSON: keep it over a restart and `restore` it.
 */
export interface UnsettledTicket {
  readonly ticket: string;
  readonly stage: 'won' | 'opening' | 'pending';
  readonly eventId?: string;
  readonly packetId?: string;
  readonly sponsor?: { readonly id: string; readonly name: string };
  readonly expiresAt?: string;
  readonly receipt?: string;
  /** Server time before which the server wants not to be asked again; `settleUnsettled` does not, an `open` of this ticket does. */
  readonly notBeforeMs?: number;
}

/** Bounded list of unsettled tickets; one that may be booked is never dropped for room. */
export class UnsettledStore {
  private readonly entries = new Map<string, UnsettledTicket>();

  constructor(
    private readonly unsettledMax: number,
    private readonly onChange?: (entries: readonly UnsettledTicket[]) => void,
  ) {}

  get(ticket: string): UnsettledTicket | undefined {
    return this.entries.get(ticket);
  }

  list(): UnsettledTicket[] {
    return [...this.entries.values()];
  }

  /** Adds or replaces the entry of a ticket. @throws HongbaoUsageError when all kept tickets may be booked already. */
  put(entry: UnsettledTicket, nowMs: number): void {
    if (!this.entries.has(entry.ticket)) this.makeRoom(nowMs);
    this.entries.set(entry.ticket, entry);
    this.onChange?.(this.list());
  }

  remove(ticket: string): void {
    if (this.entries.delete(ticket)) this.onChange?.(this.list());
  }

  /** Forgets tickets that were never sent and have expired. */
  dropExpired(nowMs: number): void {
    for (const entry of this.list()) if (hasLapsed(entry, nowMs)) this.remove(entry.ticket);
  }

  private makeRoom(nowMs: number): void {
    if (this.entries.size < this.unsettledMax) return;
    this.dropExpired(nowMs);
    if (this.entries.size < this.unsettledMax) return;
    const oldestWon = this.list().find((entry) => entry.stage === 'won');
    if (!oldestWon) throw new HongbaoUsageError(`more than ${this.unsettledMax} tickets are unsettled`);
    this.entries.delete(oldestWon.ticket);
  }
}

function hasLapsed(entry: UnsettledTicket, nowMs: number): boolean {
  return entry.stage === 'won' && entry.expiresAt !== undefined && Date.parse(entry.expiresAt) < nowMs;
}

/** True while the server wants not to be asked. What is further away than it ever says is of a clock that was set back since. */
export function isPutOff({ notBeforeMs }: UnsettledTicket, nowMs: number, retryAfterMaxMs: number): boolean {
  return notBeforeMs !== undefined && nowMs < notBeforeMs && notBeforeMs - nowMs <= retryAfterMaxMs;
}
