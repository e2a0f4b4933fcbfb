import { Agent } from 'undici';
import type { FetchAnswer, FetchInit, FetchLike } from '#libs/client';
import type { ErrorCode } from '#libs/contracts';
import { type ClaimKind, type KeyRing, verifyClaim } from '#libs/domain';
import { fetchThrough } from '../rehearse/agent-fetch.ts';
import type { Entry } from './chaos-log.ts';
import { type Answer, bodyOf, grabSaid, noAnswer, openSaid } from './read-answer.ts';

const connectionsMax = 128;
const connectTimeoutMs = 1500;
/** `state_conflict`: packets of that pool are not shared. */
const shareRefusals: readonly ErrorCode[] = ['share_expired', 'packet_unknown', 'state_conflict'];

/** Who asks, and when it was asked and answered. */
interface Exchange {
  readonly userId: string;
  readonly gateway: number;
  readonly sentAtMs: number;
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  readonly answer: Answer;
}

type Received = Exclude<Answer, undefined> & Pick<FetchAnswer, 'headers'>;

/** Sends what the SDK asks for and writes down what was answered, before the SDK makes anything of it. */
export class Recorder {
  readonly entries: Entry[] = [];
  readonly counts = new Map<string, number>();
  private readonly agent = new Agent({
    connections: connectionsMax,
    pipelining: 1,
    connect: { timeout: connectTimeoutMs },
  });

  constructor(private readonly ring: KeyRing) {}

  /** `fetch` for one phone: its user, and which gateway it speaks to. */
  fetchOf(userId: string, gateway: number): FetchLike {
    return async (url, init) => {
      const sentAtMs = Date.now();
      let answer: Received | undefined;
      try {
        answer = await this.send(url, init);
      } finally {
        const { pathname: path, searchParams: query } = new URL(url);
        const body = bodyOf({ status: 0, text: init.body ?? '' }) ?? {};
        this.write({ userId, gateway, sentAtMs, atMs: Date.now(), method: init.method, path, query, body, answer });
      }
      const { status, text, headers } = answer;
      return { status, headers, text: async () => text };
    };
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  count(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  private async send(url: string, init: FetchInit): Promise<Received> {
    const { status, headers, text } = await fetchThrough(this.agent, url, init);
    return { status, headers, text: await text() };
  }

  private write(exchange: Exchange): void {
    const { path, answer } = exchange;
    this.count('requests');
    this.count(`status ${answer?.status ?? 'lost'}`);
    if (path.endsWith('/shake')) this.writeShake(exchange);
    else if (path === '/v1/packets/open') this.writeOpen(exchange, 'open', 'ticket', exchange.body['ticket']);
    else if (path.endsWith('/grab')) this.writeGrab(exchange);
    else if (/^\/v1\/packets\/\d+$/.test(path))
      this.writeOpen(exchange, 'status', 'receipt', exchange.query.get('receipt'));
    else this.writeOdd(exchange, path.endsWith('/share') ? shareRefusals : ['event_unknown']);
  }

  private writeShake(exchange: Exchange): void {
    const { answer } = exchange;
    const body = (answer?.status === 200 ? bodyOf(answer) : undefined) ?? {};
    const { result } = body;
    this.count(`shake ${result ?? 'unanswered'}`);
    if (result === 'over' || result === 'not_started') {
      this.entries.push({ what: result, ...asked(exchange) });
    } else if (result === 'hit') {
      const { packetId, epoch, atMs: expiresAtMs } = this.claimOf('ticket', body['ticket']);
      const { id: sponsorId } = body['sponsor'] as { id: string };
      this.entries.push({ what: 'hit', ...asked(exchange), packetId, epoch, sponsorId, expiresAtMs });
    } else if (result === undefined) {
      if (answer === undefined) this.entries.push({ what: 'lost_shake', ...asked(exchange) });
      this.writeOdd(exchange, ['event_unknown']);
    }
  }

  private writeOpen(exchange: Exchange, what: 'open' | 'status', kind: ClaimKind, token: unknown): void {
    const { packetId, epoch, atMs } = this.claimOf(kind, token);
    const said = openSaid(exchange.answer);
    this.count(`${what} ${said.kind}`);
    this.entries.push({
      what,
      ...asked(exchange),
      packetId,
      epoch,
      expiresAtMs: kind === 'ticket' ? atMs : undefined,
      hasReceipt: what === 'status' || exchange.body['receipt'] !== undefined,
      said,
    });
  }

  private writeGrab(exchange: Exchange): void {
    const { packetId, epoch, userId: ownerId } = this.claimOf('share', exchange.path.split('/')[3]);
    const said = grabSaid(exchange.answer);
    this.count(`grab ${said.kind}`);
    this.entries.push({ what: 'grab', ...asked(exchange), packetId, epoch, ownerId, said });
  }

  private writeOdd(exchange: Exchange, expected: readonly ErrorCode[]): void {
    const { answer, method, path } = exchange;
    if (answer !== undefined && answer.status < 400) return;
    const said = noAnswer(answer, expected);
    if (said.kind !== 'odd') return;
    this.entries.push({ what: 'other', ...asked(exchange), route: `${method} ${path}`, said });
  }

  /** Only tokens that the system itself gave are sent: one that does not verify is a defect of this harness, or of the system. */
  private claimOf(kind: ClaimKind, token: unknown): { packetId: string; epoch: number; atMs: number; userId: string } {
    const claim = typeof token === 'string' ? verifyClaim(this.ring, kind, decodeURIComponent(token)) : undefined;
    if (claim === undefined) throw new Error(`a ${kind} that the system's own keys do not verify: ${String(token)}`);
    const { packetId, epoch, atMs, userId } = claim;
    return { packetId: String(packetId), epoch, atMs, userId };
  }
}

function asked({ userId, gateway, sentAtMs, atMs }: Exchange) {
  return { userId, gateway, sentAtMs, atMs };
}
