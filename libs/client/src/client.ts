import type { EventView, History, Leaderboard, Session, ShakeAnswer, Wallet } from '#libs/contracts';
import { type ClientClock, deviceClock } from './clock.ts';
import { Addresses, endpointsToldBy, movedTo } from './endpoints.ts';
import { HongbaoAbortedError, HongbaoLostError, HongbaoProblemError } from './errors.ts';
import { EventMemories, type EventMemory, firstExpiryMs, rememberWin } from './event-memory.ts';
import { type GrabOutcome, grabShare } from './grab.ts';
import { type ApiRequest, type FetchLike, type Reply, sendOnce } from './http.ts';
import { type ClientLimits, defaultLimits } from './limits.ts';
import { type OpenOutcome, openTicket, type PacketOutcome, packetOutcomeOf } from './open.ts';
import { type Pursuer, type Pursuit, pursueOrThrow, settled } from './pursue.ts';
import {
  judgeRead,
  judgeShare,
  judgeSharePage,
  judgeSuccess,
  type ReadOutcome,
  type ShareOutcome,
  type SharePageOutcome,
} from './reads.ts';
import { RetryBudget } from './retry-budget.ts';
import { SessionKeeper } from './session.ts';
import { runShakeLoop, type ShakeHit, type ShakeLoopEnd, type ShakeLoopOptions, shakeAnswerOf } from './shake-loop.ts';
import { isPutOff, UnsettledStore, type UnsettledTicket } from './unsettled-store.ts';

export interface HongbaoClientOptions {
  /**
   * The gateway's public address; the addresses that event answers, or refusals, name take over once one was read, and are given up when
   * nothing comes from them any more.
   */
  readonly baseUrl: string;
  /** A session token of the host application. Absent: a guest session is made on first need. */
  readonly token?: string;
  /** The user of a guest session; absent: the server makes one up. */
  readonly userId?: string;
  readonly clock?: ClientClock;
  /** In [0, 1); spreads repetitions and polls. */
  readonly random?: () => number;
  readonly fetch?: FetchLike;
  readonly limits?: Partial<ClientLimits>;
  /** Called with the whole list whenever it changes: keep it, and `restore` it after a restart. */
  readonly onUnsettledChange?: (entries: readonly UnsettledTicket[]) => void;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A phone's view of Hongbao. Outcomes of the game are values; HongbaoProblemError, HongbaoLostError, HongbaoAnswerError and
 * HongbaoAbortedError are thrown for the rest. Uses only what browsers and Node share.
 */
export class HongbaoClient {
  private readonly limits: ClientLimits;
  private readonly clock: ClientClock;
  private readonly pursuer: Pursuer;
  private readonly fetchLike: FetchLike;
  private readonly sessions: SessionKeeper;
  private readonly store: UnsettledStore;
  private readonly memories: EventMemories;
  private readonly addresses: Addresses;
  private serverOffsetMs = 0;

  constructor(options: HongbaoClientOptions) {
    this.limits = { ...defaultLimits, ...options.limits };
    this.clock = options.clock ?? deviceClock;
    this.fetchLike = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.addresses = new Addresses(options.baseUrl);
    const { retryBudgetMax, retryBudgetRatio, retryBudgetDripMs } = this.limits;
    const budgetOptions = { budgetMax: retryBudgetMax, ratio: retryBudgetRatio, dripMs: retryBudgetDripMs };
    this.pursuer = {
      limits: this.limits,
      clock: this.clock,
      random: options.random ?? Math.random,
      budget: new RetryBudget(budgetOptions, this.clock.nowMs()),
      send: (request, signal) => this.send(request, signal),
    };
    const user = options.userId === undefined ? {} : { userId: options.userId };
    this.sessions = new SessionKeeper({ token: options.token, create: () => this.postSession(user) });
    this.store = new UnsettledStore(this.limits.unsettledMax, options.onUnsettledChange);
    this.memories = new EventMemories(this.limits.eventsMax);
  }

  /** Makes a guest session. Not needed beforehand: calls that need one make it. */
  createSession(): Promise<Session> {
    return this.sessions.create();
  }

  /** Live and coming events. */
  async events(options: CallOptions = {}): Promise<EventView[]> {
    const request = (): ApiRequest => ({
      method: 'GET',
      url: `${this.addresses.base}/v1/events`,
      token: this.sessions.token,
    });
    return (await this.call<{ events: EventView[] }>({ request, judge: judgeSuccess, ...options })).events;
  }

  /** One event; its addresses and its clock are followed from then on. */
  async event(eventId: string, options: CallOptions = {}): Promise<EventView> {
    const request = (): ApiRequest => ({ ...this.eventRequest(eventId), token: this.sessions.token });
    return this.follow(await this.call<EventView>({ request, judge: judgeSuccess, ...options }));
  }

  private eventRequest(eventId: string): ApiRequest {
    return { method: 'GET', url: `${this.addresses.base}/v1/events/${encodeURIComponent(eventId)}` };
  }

  private follow(view: EventView): EventView {
    this.serverOffsetMs = Date.parse(view.serverTime) - this.clock.nowMs();
    this.addresses.follow(view.endpoints);
    return view;
  }

  /** The server's time as last learnt from an event answer, milliseconds since the epoch. */
  serverNowMs(): number {
    return this.clock.nowMs() + this.serverOffsetMs;
  }

  /** One shake, sent once: the next one is worth as much. @throws when it is not answered. */
  async shakeOnce(eventId: string, options: CallOptions = {}): Promise<ShakeAnswer> {
    const reply = await this.sendShake(eventId, options.signal);
    const label = `shake of event ${eventId}`;
    if (reply.kind === 'answer') return shakeAnswerOf(reply.body);
    if (reply.kind === 'aborted') throw new HongbaoAbortedError(`${label} was aborted`);
    if (reply.kind === 'problem') throw new HongbaoProblemError(label, reply.problem);
    throw new HongbaoLostError(`${label}: ${reply.detail}`, { cause: reply.cause });
  }

  /** Shakes at the server's pace until the event is over, the limit is reached or the signal aborts. */
  async shakeLoop(eventId: string, options: ShakeLoopOptions): Promise<ShakeLoopEnd> {
    // one request for both: a session is made where there is none, and again when that fails, as long as the event is asked for
    const start = { ...this.eventRequest(eventId), needsSession: true };
    const patience = { triesMax: Number.POSITIVE_INFINITY, maxMs: this.limits.shakeSilenceMaxMs };
    return runShakeLoop(
      {
        pursuer: this.pursuer,
        label: `shake of event ${eventId}`,
        event: async (signal) =>
          this.follow(await this.call<EventView>({ request: () => start, judge: judgeSuccess, signal, ...patience })),
        shake: (signal) => this.sendShake(eventId, signal),
        serverNowMs: () => this.serverNowMs(),
        firstExpiryMs: () => firstExpiryMs(this.memories.of(eventId), this.serverNowMs()),
      },
      options,
    );
  }

  /** Opens a ticket until it has an outcome; again gives the same one. What is `unsettled` stays in the store. */
  async open(ticket: string, options: CallOptions = {}): Promise<OpenOutcome> {
    const entry = this.store.get(ticket) ?? { ticket, stage: 'won' };
    const states = entry.eventId === undefined ? undefined : this.memories.of(entry.eventId).states;
    let sent: readonly string[] = [];
    const withStates = (request: ApiRequest): ApiRequest => {
      sent = states?.current() ?? [];
      return { ...request, headers: stateHeader(sent) };
    };
    const outcome = await openTicket(this.pursuer, {
      entry,
      store: this.store,
      openRequest: (body) => withStates(this.money('POST', '/v1/packets/open', body)),
      statusRequest: (packetId, receipt) => withStates(this.statusRequest(packetId, receipt)),
      serverNowMs: () => this.serverNowMs(),
      signal: options.signal,
    });
    this.learn(outcome, sent);
    return outcome;
  }

  /** What became of a packet, asked once: `pending` and `unknown` are answers too. */
  async status(packetId: string, receipt?: string, options: CallOptions = {}): Promise<PacketOutcome> {
    const outcome = await this.call<PacketOutcome>({
      request: () => this.statusRequest(packetId, receipt),
      judge: (reply) => {
        const found = packetOutcomeOf(reply);
        return found && settled(found);
      },
      ...options,
    });
    this.learn(outcome, []);
    return outcome;
  }

  /** Tickets and receipts without an outcome, as plain JSON. */
  unsettled(): UnsettledTicket[] {
    this.store.dropExpired(this.serverNowMs());
    return this.store.list();
  }

  /** Takes back what `unsettled` gave, e.g. after a restart of the app. */
  restore(entries: readonly UnsettledTicket[]): void {
    for (const entry of entries) this.store.put(entry, this.serverNowMs());
  }

  /**
   * Pursues every ticket that was sent and has no outcome, a few at once. What the server has put off is passed over until its time.
   * @throws AggregateError when all are done, of those that ended in an error: one bad ticket does not hold up the others.
   */
  async settleUnsettled(options: CallOptions = {}): Promise<OpenOutcome[]> {
    const { settlesAtOnceMax, retryAfterMaxMs } = this.limits;
    const isDue = (entry: UnsettledTicket): boolean => !isPutOff(entry, this.serverNowMs(), retryAfterMaxMs);
    const queue = this.unsettled().filter((entry) => entry.stage !== 'won' && isDue(entry));
    const outcomes: OpenOutcome[] = [];
    const errors: unknown[] = [];
    const work = async (): Promise<void> => {
      for (let entry = queue.shift(); entry; entry = queue.shift()) {
        await this.open(entry.ticket, options).then(
          (outcome) => outcomes.push(outcome),
          (error: unknown) => errors.push(error),
        );
      }
    };
    await Promise.all(Array.from({ length: settlesAtOnceMax }, work));
    if (errors.length > 0) throw new AggregateError(errors, `${errors.length} tickets could not be settled`);
    return outcomes;
  }

  /** The share token of a packet; with its ticket the server need look nothing up. */
  share(packetId: string, ticket?: string, options: CallOptions = {}): Promise<ShareOutcome> {
    const path = `/v1/packets/${encodeURIComponent(packetId)}/share`;
    const body = ticket === undefined ? {} : { ticket };
    return this.call({ request: () => this.money('POST', path, body), judge: judgeShare, ...options });
  }

  /** The share page; `yours` is filled when this client has a session. */
  sharePage(shareToken: string, options: CallOptions = {}): Promise<SharePageOutcome> {
    const url = `${this.addresses.money}/v1/shares/${encodeURIComponent(shareToken)}`;
    const request = (): ApiRequest => ({ method: 'GET', url, token: this.sessions.token });
    return this.call<SharePageOutcome>({ request, judge: judgeSharePage, ...options });
  }

  /** Grabs a portion of a share until there is an outcome; again gives the same one. */
  grab(shareToken: string, options: CallOptions = {}): Promise<GrabOutcome> {
    const path = `/v1/shares/${encodeURIComponent(shareToken)}/grab`;
    return grabShare(this.pursuer, () => this.money('POST', path), options.signal);
  }

  /** The user's balance in fen; `asOf` says how old it is. */
  wallet(options: CallOptions = {}): Promise<ReadOutcome<Wallet>> {
    return this.read(() => this.money('GET', '/v1/me/wallet'), options);
  }

  /** A page of the user's packets, newest first. */
  history(page: { cursor?: string; limit?: number } = {}, options: CallOptions = {}): Promise<ReadOutcome<History>> {
    const query = new URLSearchParams();
    if (page.cursor !== undefined) query.set('cursor', page.cursor);
    if (page.limit !== undefined) query.set('limit', String(page.limit));
    const suffix = query.size === 0 ? '' : `?${query}`;
    return this.read(() => this.money('GET', `/v1/me/packets${suffix}`), options);
  }

  /** The luckiest of an event. */
  leaderboard(eventId: string, options: CallOptions = {}): Promise<ReadOutcome<Leaderboard>> {
    const url = `${this.addresses.money}/v1/events/${encodeURIComponent(eventId)}/leaderboard`;
    return this.read((): ApiRequest => ({ method: 'GET', url, token: this.sessions.token }), options);
  }

  private read<T>(request: () => ApiRequest, options: CallOptions): Promise<ReadOutcome<T>> {
    return this.call<ReadOutcome<T>>({ request, judge: (reply) => judgeRead<T>(reply), ...options });
  }

  private call<T>(call: Omit<Pursuit<T>, 'maxMs'> & { readonly maxMs?: number }): Promise<T> {
    return pursueOrThrow(this.pursuer, { triesMax: this.limits.callTriesMax, maxMs: this.limits.callMaxMs, ...call });
  }

  private postSession(user: { userId?: string }): Promise<Session> {
    const request: ApiRequest = { method: 'POST', url: `${this.addresses.base}/v1/sessions`, body: user };
    return this.call<Session>({ request: () => request, judge: judgeSuccess });
  }

  /** A shake with the states held now; a hit's state replaces exactly those. */
  private async sendShake(eventId: string, signal?: AbortSignal): Promise<Reply> {
    const memory = this.memories.of(eventId);
    const sent = memory.states.current();
    const url = `${this.addresses.shake}/v1/events/${encodeURIComponent(eventId)}/shake`;
    const request: ApiRequest = { method: 'POST', url, needsSession: true, headers: stateHeader(sent) };
    this.pursuer.budget.earn();
    const reply = await this.send(request, signal);
    if (reply.kind === 'answer') {
      const answer = shakeAnswerOf(reply.body);
      if (answer.result === 'hit') this.keepHit(eventId, memory, answer, sent);
    }
    return reply;
  }

  private keepHit(eventId: string, memory: EventMemory, hit: ShakeHit, sent: readonly string[]): void {
    const { ticket, packetId, sponsor, expiresAt } = hit;
    memory.states.replace(sent, hit.state);
    rememberWin(memory, packetId, expiresAt);
    this.store.put({ ticket, stage: 'won', eventId, packetId, sponsor, expiresAt }, this.serverNowMs());
  }

  /** A credited packet keeps its place for good; the state in its answer says so to the gateways, and holds what was sent. */
  private learn(outcome: PacketOutcome | OpenOutcome, sent: readonly string[]): void {
    if (outcome.outcome !== 'credited') return;
    const memory = this.memories.of(outcome.packet.eventId);
    memory.wins.delete(outcome.packet.packetId);
    if (outcome.packet.state !== undefined) memory.states.replace(sent, outcome.packet.state);
  }

  private statusRequest(packetId: string, receipt?: string): ApiRequest {
    const query = receipt === undefined ? '' : `?receipt=${encodeURIComponent(receipt)}`;
    return this.money('GET', `/v1/packets/${encodeURIComponent(packetId)}${query}`);
  }

  private money(method: ApiRequest['method'], path: string, body?: unknown): ApiRequest {
    return { method, url: `${this.addresses.money}${path}`, needsSession: true, body };
  }

  /** A server that does not serve this says who does: a client that has read no event yet, or an old one, learns it so. */
  private async send(request: ApiRequest, signal?: AbortSignal): Promise<Reply> {
    const reply = await this.sendTo(request, signal);
    const told = endpointsToldBy(reply);
    if (told === undefined) return reply;
    this.addresses.follow(told);
    const moved = movedTo(this.addresses, request);
    return moved === undefined ? reply : await this.sendTo(moved, signal);
  }

  private async sendTo(request: ApiRequest, signal?: AbortSignal): Promise<Reply> {
    const send = (ready: ApiRequest): Promise<Reply> =>
      sendOnce(this.fetchLike, ready, this.limits.requestTimeoutMs, signal);
    const reply = await (request.needsSession ? this.sessions.send(request, send, signal) : send(request));
    this.addresses.heard(request, reply);
    return reply;
  }
}

function stateHeader(tokens: readonly string[]): Record<string, string> {
  return tokens.length > 0 ? { 'x-shake-state': tokens.join(',') } : {};
}
