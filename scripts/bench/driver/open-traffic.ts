import { quantile } from '../measure/statistics.ts';
import type { Workload } from '../opens/workload.ts';
import { Arrivals } from './arrivals.ts';
import type { Connections } from './connections.ts';
import { statusOf } from './http-answer.ts';
import { readOpenAnswer, type TicketAnswer } from './open-answers.ts';
import type { OpenRequests } from './open-requests.ts';
import type { OpensResult } from './plans.ts';

const creditedStatus = 200;
/** A reset connection says nothing of its open: it is sent again. */
const lostAgainMs = 50;

export interface OpenTrafficOptions {
  readonly workload: Pick<Workload, 'opens' | 'tickets'>;
  readonly requests: Pick<OpenRequests, 'of'>;
  readonly connections: Pick<Connections, 'send' | 'hasFree'>;
  /** Undefined: the next open is due when a connection is free. */
  readonly perSecond: number | undefined;
}

/** An open that has no outcome yet and is sent again. */
interface Again {
  readonly ticket: number;
  readonly dueMs: number;
  readonly receipt: string | undefined;
}

/** Which open goes out when, and what came of it. Times are monotonic milliseconds. */
export class OpenTraffic {
  private readonly ticketOn: number[] = [];
  private readonly receiptOn: (string | undefined)[] = [];
  /** Answers with an outcome, for later: while opens are under way there is no time to read them. */
  private readonly kept: { readonly ticket: number; readonly status: number; readonly body: Buffer }[] = [];
  private readonly otherAnswers = new Map<string, number>();
  private readonly firstDueMs: Float64Array;
  private readonly creditedMs: Float64Array;
  /** When each ticket had an outcome, whichever. */
  private readonly settledMs: Float64Array;
  private readonly refusals: Uint16Array;
  private readonly lags: number[] = [];
  private again: Again[] = [];
  private arrivals: Arrivals | undefined;
  private sent = 0;
  private owed = 0;
  private lostCount = 0;
  private isSending = true;
  private measuredFromMs = Number.POSITIVE_INFINITY;
  private measuredUntilMs = Number.POSITIVE_INFINITY;

  constructor(private readonly options: OpenTrafficOptions) {
    const { length } = options.workload.tickets;
    this.firstDueMs = new Float64Array(length).fill(-1);
    this.creditedMs = new Float64Array(length).fill(-1);
    this.settledMs = new Float64Array(length).fill(-1);
    this.refusals = new Uint16Array(length);
  }

  begin(): void {
    const { perSecond } = this.options;
    if (perSecond !== undefined) this.arrivals = new Arrivals(performance.now(), perSecond);
    this.pump();
  }

  /** What is credited from now on counts. */
  measure(): void {
    this.measuredFromMs = performance.now();
  }

  /** Nothing new is opened from now on. */
  end(): void {
    this.measuredUntilMs = performance.now();
    this.isSending = false;
  }

  /** Everything that was opened has its outcome. */
  get isSettled(): boolean {
    return this.owed === 0 && this.again.length === 0;
  }

  /** Sends what is due while there are free connections. */
  pump(): void {
    const nowMs = performance.now();
    if (this.again.length > 0) this.sendAgain(nowMs);
    const { opens } = this.options.workload;
    while (this.isSending && this.sent < opens.length && this.options.connections.hasFree) {
      const dueMs = this.arrivals?.dueMs ?? nowMs;
      if (dueMs > nowMs) return;
      this.arrivals?.take();
      const ticket = opens[this.sent]!;
      this.sent += 1;
      if (this.firstDueMs[ticket]! < 0) this.firstDueMs[ticket] = dueMs;
      this.send(ticket, undefined);
      if (dueMs >= this.measuredFromMs) this.lags.push(performance.now() - dueMs);
    }
  }

  answered(connection: number, bytes: Buffer, bodyAt: number): void {
    const ticket = this.ticketOn[connection]!;
    const status = statusOf(bytes);
    this.owed -= 1;
    if (status === creditedStatus && this.creditedMs[ticket]! < 0) {
      this.creditedMs[ticket] = performance.now();
      this.settledMs[ticket] = this.creditedMs[ticket]!;
    }
    const body = Buffer.from(bytes.subarray(bodyAt));
    if (status === creditedStatus) this.kept.push({ ticket, status, body });
    else this.readNow(connection, ticket, status, body);
    this.pump();
  }

  lost(connection: number): void {
    this.owed -= 1;
    this.lostCount += 1;
    this.refusals[this.ticketOn[connection]!]! += 1;
    this.askAgain(this.ticketOn[connection]!, lostAgainMs, this.receiptOn[connection]);
  }

  /** All outcomes that were told; read when everything is settled. */
  outcomes(): TicketAnswer[] {
    return this.kept.map(({ ticket, status, body }) => {
      const reading = readOpenAnswer(status, body.toString(), this.packetIdText(ticket));
      return { ticket, outcome: reading.outcome, amountFen: reading.kind === 'outcome' ? reading.amountFen : 0 };
    });
  }

  /** What became of every ticket that was opened, in monotonic milliseconds; `settledMs` below 0: nothing. */
  firstOpens(): { readonly dueMs: number; readonly settledMs: number; readonly refusals: number }[] {
    return [...this.firstDueMs.keys()]
      .filter((ticket) => this.firstDueMs[ticket]! >= 0)
      .map((ticket) => ({
        dueMs: this.firstDueMs[ticket]!,
        settledMs: this.settledMs[ticket]!,
        refusals: this.refusals[ticket]!,
      }));
  }

  result(outcomes: readonly TicketAnswer[]): OpensResult {
    const { measuredFromMs: from, measuredUntilMs: until } = this;
    const credited = [...this.creditedMs.keys()].filter((ticket) => {
      const atMs = this.creditedMs[ticket]!;
      return atMs >= from && atMs < until;
    });
    const latencies = Float64Array.from(credited, (ticket) => this.creditedMs[ticket]! - this.firstDueMs[ticket]!);
    latencies.sort();
    const lags = Float64Array.from(this.lags).sort();
    const bySecond = Array.from({ length: Math.floor((until - from) / 1000) }, () => 0);
    for (const ticket of credited) {
      const second = Math.floor((this.creditedMs[ticket]! - from) / 1000);
      if (second < bySecond.length) bySecond[second]! += 1;
    }
    const answers = new Map(this.otherAnswers);
    for (const { outcome } of outcomes) answers.set(outcome, (answers.get(outcome) ?? 0) + 1);
    const at = (sorted: Float64Array, fraction: number): number =>
      sorted.length === 0 ? 0 : quantile(sorted, fraction);
    return {
      sent: this.sent,
      answers: Object.fromEntries(answers),
      lost: this.lostCount,
      unsettled: this.owed + this.again.length,
      credited: credited.length,
      measuredMs: until - from,
      creditedBySecond: bySecond,
      p50Ms: at(latencies, 0.5),
      p99Ms: at(latencies, 0.99),
      p999Ms: at(latencies, 0.999),
      maxMs: at(latencies, 1),
      lagP50Ms: at(lags, 0.5),
      lagP99Ms: at(lags, 0.99),
    };
  }

  private send(ticket: number, receipt: string | undefined): void {
    const connection = this.options.connections.send(this.options.requests.of(ticket, receipt))!;
    this.ticketOn[connection] = ticket;
    this.receiptOn[connection] = receipt;
    this.owed += 1;
  }

  private sendAgain(nowMs: number): void {
    const due = this.again.filter(({ dueMs }) => dueMs <= nowMs);
    if (due.length === 0) return;
    this.again = this.again.filter(({ dueMs }) => dueMs > nowMs);
    for (const one of due) {
      if (this.options.connections.hasFree) this.send(one.ticket, one.receipt);
      else this.again.push(one);
    }
  }

  /** Denials, pending and refusals: few. */
  private readNow(connection: number, ticket: number, status: number, body: Buffer): void {
    const reading = readOpenAnswer(status, body.toString(), this.packetIdText(ticket));
    if (reading.kind === 'outcome') {
      if (this.settledMs[ticket]! < 0) this.settledMs[ticket] = performance.now();
      this.kept.push({ ticket, status, body });
      return;
    }
    if (reading.outcome !== 'pending') this.refusals[ticket]! += 1;
    this.otherAnswers.set(reading.outcome, (this.otherAnswers.get(reading.outcome) ?? 0) + 1);
    this.askAgain(ticket, reading.afterMs, reading.receipt ?? this.receiptOn[connection]);
  }

  private askAgain(ticket: number, afterMs: number, receipt: string | undefined): void {
    this.again.push({ ticket, dueMs: performance.now() + afterMs, receipt });
  }

  private packetIdText(ticket: number): string {
    return String(this.options.workload.tickets[ticket]!.packetId);
  }
}
