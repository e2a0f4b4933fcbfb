import { setMaxListeners } from 'node:events';
import {
  defaultLimits,
  type FetchAnswer,
  type FetchInit,
  HongbaoClient,
  HongbaoLostError,
  type OpenOutcome,
  type ShareOutcome,
} from '#libs/client';
import { until } from './http.ts';

/** Phones at play at any time. */
export const phones = 20;
const winnersBetween = 10;
const sharesAskedAgainMax = 1000;
const patienceMs = 120_000;

/** One request that opens a ticket, as it was answered on the wire; the SDK asks again where that is no outcome. */
interface OpenAnswer {
  /** Indexes of `phases`: what was done to the system when it was sent, and when it was answered. */
  readonly from: number;
  readonly to: number;
  /** `200 credited`, `202 pending`, `503 overloaded`; `lost ECONNREFUSED` when there was none. */
  readonly answer: string;
}

/** What one phone sent, for the bound on what it repeats. */
interface Sent {
  readonly sinceMs: number;
  requests: number;
  refusedOpens: number;
}

/** People who shake until they win, open, share and grab a portion themselves, all through the SDK, one after the other on each phone. */
export class RollingPlay {
  readonly tickets: string[] = [];
  readonly opened = new Map<string, OpenOutcome>();
  readonly grabbed: string[] = [];
  /** Shares that the SDK gave up, as nobody answered, and people asked for again: what was done to the system meanwhile. */
  readonly sharesAskedAgain: (readonly string[])[] = [];
  private readonly phases: string[] = ['nothing'];
  private readonly answers: OpenAnswer[] = [];
  private readonly sent: Sent[] = [];
  private readonly ending = new AbortController();
  private playing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly baseUrl: string,
    private readonly eventId: string,
  ) {
    setMaxListeners(0, this.ending.signal); // one for each request under way
  }

  start(): void {
    let users = 0;
    const oneAfterTheOther = async (): Promise<void> => {
      while (!this.ending.signal.aborted) await this.play(`player-${users++}`);
    };
    this.playing = Promise.all(Array.from({ length: phones }, oneAfterTheOther));
    // whoever fails ends the test with what he met, not with a wait for the others
    this.playing.catch(() => this.ending.abort());
  }

  /** Does something to the system while they play; life goes on before it returns: people win, and what they won is opened. */
  async disturb(what: string, act: () => Promise<void>): Promise<void> {
    this.phases.push(what);
    await act();
    const [won, opened] = [this.tickets.length, this.opened.size];
    const more = async () => Math.min(this.tickets.length - won, this.opened.size - opened);
    await until('winners', more, (count) => count >= winnersBetween || this.ending.signal.aborted, patienceMs);
  }

  /** Resolves when whatever was begun has its outcome. */
  async end(): Promise<void> {
    this.ending.abort();
    await this.playing;
  }

  /** How often opens were answered so that were under way, for some of their time, while this was done to the system or after it. */
  answersIn(phase: string): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { answer } of this.answers.filter((one) => this.phasesOf(one).includes(phase)))
      counts[answer] = (counts[answer] ?? 0) + 1;
    return counts;
  }

  /** Answers that none of the phases explains in which the open was under way. */
  unexplained(allowedIn: (phase: string) => readonly string[]): readonly object[] {
    const all = this.answers.map((one) => ({ answer: one.answer, phases: this.phasesOf(one) }));
    return all.filter(({ answer, phases }) => !phases.some((phase) => allowedIn(phase).includes(answer)));
  }

  private phasesOf({ from, to }: OpenAnswer): readonly string[] {
    return this.phases.slice(from, to + 1);
  }

  /**
   * Phones whose opens were refused or lost more often than what they may repeat: the first try, `retryBudgetMax`, a part of their requests,
   * and one in each `retryBudgetDripMs`.
   */
  phonesOverBudget(): readonly Sent[] {
    const { retryBudgetMax, retryBudgetRatio, retryBudgetDripMs } = defaultLimits;
    return this.sent.filter(({ sinceMs, requests, refusedOpens }) => {
      const earned = requests * retryBudgetRatio + (performance.now() - sinceMs) / retryBudgetDripMs;
      return refusedOpens > 1 + retryBudgetMax + earned;
    });
  }

  private async play(userId: string): Promise<void> {
    const sent: Sent = { sinceMs: performance.now(), requests: 0, refusedOpens: 0 };
    this.sent.push(sent);
    const fetch = (url: string, init: FetchInit): Promise<FetchAnswer> => this.fetch(sent, url, init);
    const client = new HongbaoClient({ baseUrl: this.baseUrl, userId, fetch });
    const follow = async (ticket: string, packetId: string): Promise<void> => {
      this.opened.set(ticket, await client.open(ticket));
      const shared = await this.share(client, packetId, ticket);
      if (shared.outcome !== 'shared') throw new Error(`share of ${packetId}: ${shared.outcome}`);
      this.grabbed.push((await client.grab(shared.share.shareToken)).outcome);
    };
    const following: Promise<void>[] = [];
    const hasWon = new AbortController();
    await client.shakeLoop(this.eventId, {
      signal: AbortSignal.any([this.ending.signal, hasWon.signal]),
      onHit: ({ ticket, packetId }) => {
        this.tickets.push(ticket);
        following.push(follow(ticket, packetId));
        // nobody wins twice: the loop would only wait for the ticket to be opened, or to expire
        hasWon.abort();
      },
    });
    await Promise.all(following);
  }

  private async share(client: HongbaoClient, packetId: string, ticket: string): Promise<ShareOutcome> {
    for (;;) {
      const from = this.phases.length - 1;
      try {
        return await client.share(packetId, ticket);
      } catch (error) {
        if (!(error instanceof HongbaoLostError) || this.sharesAskedAgain.length > sharesAskedAgainMax) throw error;
        this.sharesAskedAgain.push(this.phases.slice(from));
      }
    }
  }

  /** What the SDK would do itself, with a note of what opens are told. */
  private async fetch(sent: Sent, url: string, init: FetchInit): Promise<FetchAnswer> {
    sent.requests += 1;
    if (!url.endsWith('/v1/packets/open')) return await fetch(url, init);
    const from = this.phases.length - 1;
    const note = (answer: string, isRefused: boolean): void => {
      this.answers.push({ from, to: this.phases.length - 1, answer });
      if (isRefused) sent.refusedOpens += 1;
    };
    try {
      const response = await fetch(url, init);
      const text = await response.text();
      const { status, code } = JSON.parse(text) as { status?: string; code?: string };
      // one that is told where opens are taken asks there at once: that is no repetition
      note(`${response.status} ${response.ok ? status : code}`, !response.ok && code !== 'not_found');
      return { status: response.status, headers: response.headers, text: async () => text };
    } catch (error) {
      const { name, cause } = error as Error & { cause?: { code?: string } };
      note(`lost ${cause?.code ?? name}`, true);
      throw error;
    }
  }
}
