import type { CreditedPacket, OpenAnswer, PendingPacket, Problem } from '#libs/contracts';
import type { ApiRequest } from './http.ts';
import { type JudgedReply, type Pursuer, pursue, settled, type Verdict } from './pursue.ts';
import type { UnsettledStore, UnsettledTicket } from './unsettled-store.ts';

/**
 * What became of a ticket. `limit`, `sponsor_limit`: the user holds what the event allows; `expired`: not opened in time;
 * `gone`: the packet went to somebody else. `unsettled`: no outcome yet; the ticket stays in the store, ask again: at any time, or, when it
 * was `put_off`, from the entry's `notBeforeMs` on.
 */
export type OpenOutcome =
  | { readonly outcome: 'credited'; readonly packet: CreditedPacket }
  | { readonly outcome: 'limit' | 'sponsor_limit' | 'expired' | 'gone'; readonly problem: Problem }
  | {
      readonly outcome: 'unsettled';
      readonly reason: 'aborted' | 'spent' | 'put_off';
      readonly entry: UnsettledTicket;
    };

/** What the ledger or the lane says of a packet at this instant. */
export type PacketOutcome =
  | Exclude<OpenOutcome, { outcome: 'unsettled' }>
  | { readonly outcome: 'pending'; readonly pending: PendingPacket }
  | { readonly outcome: 'unknown'; readonly problem: Problem };

const denials = {
  limit_reached: 'limit',
  sponsor_limit_reached: 'sponsor_limit',
  ticket_expired: 'expired',
  packet_gone: 'gone',
} as const;

/** Reads the answers that an open and a packet's status share; `undefined` for anything else. */
export function packetOutcomeOf(reply: JudgedReply): PacketOutcome | undefined {
  if (reply.kind === 'problem') {
    const { problem } = reply;
    if (problem.code in denials) return { outcome: denials[problem.code as keyof typeof denials], problem };
    return problem.code === 'packet_unknown' ? { outcome: 'unknown', problem } : undefined;
  }
  const body = reply.body as OpenAnswer | null;
  if (body?.status === 'credited') return { outcome: 'credited', packet: body };
  return body?.status === 'pending' ? { outcome: 'pending', pending: body } : undefined;
}

export interface OpenCall {
  readonly entry: UnsettledTicket;
  readonly store: UnsettledStore;
  readonly openRequest: (body: { ticket: string; receipt?: string }) => ApiRequest;
  readonly statusRequest: (packetId: string, receipt: string) => ApiRequest;
  readonly serverNowMs: () => number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Opens a ticket until it has an outcome, through lost answers, refusals and pending settlements. While pending it polls with
 * the receipt, and every few polls opens again with ticket and receipt. Of what only the event's settlement decides (no receipt, and the
 * store that would know was replaced) the server says to come back much later: that is handed back at once.
 * @throws HongbaoProblemError for a ticket that the server will never honour (forged, another user's); it leaves the store.
 */
export async function openTicket(pursuer: Pursuer, call: OpenCall): Promise<OpenOutcome> {
  const open = new OpenInProgress(pursuer, call);
  try {
    const end = await pursue(pursuer, {
      request: () => open.nextRequest(),
      judge: (reply) => open.judge(reply),
      maxMs: pursuer.limits.settleMaxMs,
      signal: call.signal,
    });
    if (end.end === 'settled') return end.value;
    return { outcome: 'unsettled', reason: end.end, entry: open.entry };
  } finally {
    open.leave();
  }
}

/** One open from its first request to its outcome; keeps the store's entry true at each step. */
class OpenInProgress {
  entry: UnsettledTicket;
  private pollsSinceOpen = 0;
  private isOver = false;

  constructor(
    private readonly pursuer: Pursuer,
    private readonly call: OpenCall,
  ) {
    this.entry = call.entry;
    if (this.entry.stage === 'won') this.keep({ ...this.entry, stage: 'opening' });
  }

  nextRequest(): ApiRequest {
    const { ticket, packetId, receipt } = this.entry;
    if (packetId !== undefined && receipt !== undefined && this.pollsSinceOpen < this.pursuer.limits.pollsPerReopen) {
      this.pollsSinceOpen += 1;
      return this.call.statusRequest(packetId, receipt);
    }
    this.pollsSinceOpen = 0;
    return this.call.openRequest(receipt === undefined ? { ticket } : { ticket, receipt });
  }

  judge(reply: JudgedReply): Verdict<OpenOutcome> | undefined {
    const outcome = packetOutcomeOf(reply);
    if (!outcome) {
      // A problem about the ticket itself can never turn into an outcome; one about the session or the load can.
      if (reply.kind === 'problem' && isHopeless(reply.problem)) this.isOver = true;
      return reply.kind === 'problem' ? this.putOff(reply.problem) : undefined;
    }
    if (outcome.outcome === 'pending') {
      const { packetId, receipt, pollAfterMs } = outcome.pending;
      const { notBeforeMs: _, ...entry } = this.entry;
      this.keep({ ...entry, stage: 'pending', packetId, receipt });
      return { verdict: 'poll', afterMs: pollAfterMs };
    }
    if (outcome.outcome === 'unknown') {
      this.pollsSinceOpen = this.pursuer.limits.pollsPerReopen;
      return { verdict: 'retry' };
    }
    this.isOver = true;
    return settled(outcome);
  }

  /** Called once, however the open ended: what has an outcome leaves the store. */
  leave(): void {
    if (this.isOver) this.call.store.remove(this.entry.ticket);
  }

  /** Undefined: no reason not to go on. A receipt that another open of the same ticket got meanwhile is taken up. */
  private putOff({ code, retryAfterMs = 0 }: Problem): Verdict<OpenOutcome> | undefined {
    const { putOffFromMs, retryAfterMaxMs } = this.pursuer.limits;
    if (code !== 'dependency_unavailable' || retryAfterMs < putOffFromMs) return undefined;
    this.entry = this.call.store.get(this.entry.ticket) ?? this.entry;
    if (this.entry.receipt !== undefined) return undefined;
    this.keep({ ...this.entry, notBeforeMs: this.call.serverNowMs() + Math.min(retryAfterMs, retryAfterMaxMs) });
    return settled({ outcome: 'unsettled', reason: 'put_off', entry: this.entry });
  }

  private keep(entry: UnsettledTicket): void {
    this.entry = entry;
    this.call.store.put(entry, this.call.serverNowMs());
  }
}

function isHopeless(problem: Problem): boolean {
  return problem.code === 'ticket_invalid' || problem.code === 'ticket_not_yours' || problem.code === 'bad_request';
}
