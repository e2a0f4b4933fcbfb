import { sleep } from 'k6';
import type { GrabAnswer, OpenAnswer, Session, ShakeAnswer, Share } from '#libs/contracts';
import { backOff, type Call, isPassing, noteUnexpected, send, sendUntil } from './http.ts';
import {
  grabbedMinusBooked,
  grabbedMs,
  grabs,
  openedMinusGranted,
  openedMs,
  opens,
  shakeMs,
  shakes,
  shares,
} from './metrics.ts';
import { gatewayUrl } from './settings.ts';

export type Hit = Extract<ShakeAnswer, { result: 'hit' }>;
export type CreditedOpen = Extract<OpenAnswer, { status: 'credited' }>;
type OpenOutcome = 'credited' | 'limit' | 'sponsor_limit' | 'expired' | 'gone' | 'unsettled' | 'unexpected';

const openDenials: Readonly<Record<string, OpenOutcome>> = {
  limit_reached: 'limit',
  sponsor_limit_reached: 'sponsor_limit',
  ticket_expired: 'expired',
  packet_gone: 'gone',
};
const sessionMaxMs = 60_000;
const pollsPerReopen = 4;

/** One virtual user's phone: a session, the newest shake state, and the public REST. */
export class Phone {
  readonly token: string;
  private state: string | undefined;

  constructor(
    private readonly eventId: string,
    readonly userId: string,
    /** Nothing is pursued longer than this. */
    private readonly giveUpAtMs: number,
  ) {
    this.token = newSession(userId);
  }

  /** One shake; `undefined` when it was lost or shed. `tags` go with the count of its outcome. */
  shake(tags: Record<string, string> = {}): ShakeAnswer | undefined {
    const headers: Record<string, string> = this.state === undefined ? {} : { 'x-shake-state': this.state };
    const call: Call = {
      method: 'POST',
      url: this.url(`/events/${this.eventId}/shake`),
      name: 'shake',
      token: this.token,
    };
    const answer = send<ShakeAnswer>({ ...call, headers });
    if (answer.status !== 200 || answer.body === undefined) {
      if (!isPassing(answer)) noteUnexpected('shake', answer);
      shakes.add(1, { result: 'lost', ...tags });
      return undefined;
    }
    shakeMs.add(answer.durationMs);
    shakes.add(1, { result: answer.body.result, ...tags });
    if (answer.body.result === 'hit') this.state = answer.body.state;
    return answer.body;
  }

  /** Opens a ticket to its outcome, by polling and opening again; only money is handed back. */
  open(hit: Hit, tags: Record<string, string> = {}): CreditedOpen | undefined {
    const startedAtMs = Date.now();
    const { outcome, packet } = this.pursueOpen(hit.ticket);
    opens.add(1, { outcome, ...tags });
    if (packet === undefined) return undefined;
    openedMs.add(Date.now() - startedAtMs);
    openedMinusGranted.add(packet.amountFen);
    return packet;
  }

  /** The share token of a packet, made from its ticket. */
  share(packetId: string, ticket: string): Share | undefined {
    const call: Call = {
      method: 'POST',
      url: this.url(`/packets/${packetId}/share`),
      name: 'share',
      token: this.token,
    };
    const answer = sendUntil<Share>({ ...call, body: { ticket } }, this.giveUpAtMs);
    const isShared = answer.status === 201;
    if (!isShared && !isPassing(answer) && answer.code !== 'share_expired') noteUnexpected('share', answer);
    shares.add(1, { outcome: isShared ? 'shared' : (answer.code ?? 'lost') });
    return isShared ? answer.body : undefined;
  }

  /** Grabs to an outcome: the same call again until it is neither pending, lost nor shed. */
  grab(shareToken: string, tags: Record<string, string> = {}): void {
    const startedAtMs = Date.now();
    const outcome = this.pursueGrab(shareToken);
    grabs.add(1, { outcome: outcome.status, ...tags });
    if (outcome.status !== 'credited') return;
    grabbedMs.add(Date.now() - startedAtMs);
    grabbedMinusBooked.add(outcome.amountFen);
  }

  /** Once a grab may have been accepted it is asked for until it is decided, also while grabs are switched off. */
  private pursueGrab(shareToken: string): GrabOutcome {
    const call: Call = { method: 'POST', url: this.url(`/shares/${shareToken}/grab`), name: 'grab', token: this.token };
    let mayBeBooked = false;
    for (let attempt = 1; ; attempt += 1) {
      const answer = send<GrabAnswer>(call);
      if (answer.status === 200 && answer.body !== undefined && answer.body.status !== 'pending') return answer.body;
      if (answer.code === 'share_expired') return { status: 'expired' };
      const isOff = answer.code === 'feature_off';
      if (isOff && !mayBeBooked) return { status: 'off' };
      if (!isOff && answer.status !== 202 && !isPassing(answer)) {
        noteUnexpected('grab', answer);
        return { status: 'unexpected' };
      }
      if (Date.now() > this.giveUpAtMs) return { status: 'unsettled' };
      mayBeBooked = true;
      if (answer.body?.status === 'pending') sleep(jittered(answer.body.pollAfterMs));
      else backOff('grab', attempt, answer);
    }
  }

  private pursueOpen(ticket: string): { outcome: OpenOutcome; packet?: CreditedOpen } {
    let pending: Extract<OpenAnswer, { status: 'pending' }> | undefined;
    let polls = 0;
    for (let attempt = 1; ; attempt += 1) {
      const isPoll: boolean = pending !== undefined && polls < pollsPerReopen;
      polls = isPoll ? polls + 1 : 0;
      const answer = send<OpenAnswer>(
        isPoll && pending ? this.pollCall(pending) : this.openCall(ticket, pending?.receipt),
      );
      if (answer.status === 200 && answer.body?.status === 'credited') {
        return { outcome: 'credited', packet: answer.body };
      }
      const denial = openDenials[answer.code ?? ''];
      if (denial !== undefined) return { outcome: denial };
      if (Date.now() > this.giveUpAtMs) return { outcome: 'unsettled' };
      if (answer.status === 202 && answer.body?.status === 'pending') {
        pending = answer.body;
        sleep(jittered(pending.pollAfterMs));
      } else if (isPassing(answer)) backOff('open', attempt, answer);
      else {
        noteUnexpected('open', answer);
        return { outcome: 'unexpected' };
      }
    }
  }

  private openCall(ticket: string, receipt: string | undefined): Call {
    const body = receipt === undefined ? { ticket } : { ticket, receipt };
    return { method: 'POST', url: this.url('/packets/open'), name: 'open', token: this.token, body };
  }

  private pollCall({ packetId, receipt }: { packetId: string; receipt: string }): Call {
    const url = this.url(`/packets/${packetId}?receipt=${encodeURIComponent(receipt)}`);
    return { method: 'GET', url, name: 'status', token: this.token };
  }

  private url(path: string): string {
    return `${gatewayUrl}/v1${path}`;
  }
}

function newSession(userId: string): string {
  const call: Call = { method: 'POST', url: `${gatewayUrl}/v1/sessions`, name: 'session', body: { userId } };
  const answer = sendUntil<Session>(call, Date.now() + sessionMaxMs);
  if (answer.status === 201 && answer.body !== undefined) return answer.body.token;
  throw new Error(`no session for ${userId}: ${answer.status} ${answer.code ?? ''} (GUEST_SESSIONS must be on)`);
}

type GrabOutcome =
  | Exclude<GrabAnswer, { status: 'pending' }>
  | { readonly status: 'expired' | 'off' | 'unsettled' | 'unexpected' };

/** Seconds around `ms`, spread by half to either side. */
function jittered(ms: number): number {
  return (Math.max(100, ms) * (0.5 + Math.random())) / 1000;
}

export function sleepUntil(atMs: number): void {
  const waitMs = atMs - Date.now();
  if (waitMs > 0) sleep(waitMs / 1000);
}
