import type {
  AuditEntry,
  DeadLetter,
  DegradationView,
  EventPlanInput,
  LaneView,
  OpsEvent,
  PutFeatureRequest,
  PutTierRequest,
  Reconciliation,
} from '#libs/contracts';
import { type ClientClock, deviceClock } from './clock.ts';
import { type ApiRequest, type FetchLike, sendOnce } from './http.ts';
import { type ClientLimits, defaultLimits } from './limits.ts';
import { type Pursuer, type Pursuit, pursueOrThrow, settled } from './pursue.ts';
import { judgeSuccess } from './reads.ts';
import { RetryBudget } from './retry-budget.ts';

export interface HongbaoOpsOptions {
  readonly baseUrl: string;
  /** A viewer token reads, an operator token acts. */
  readonly token: string;
  readonly clock?: ClientClock;
  readonly random?: () => number;
  readonly fetch?: FetchLike;
  readonly limits?: Partial<ClientLimits>;
}

/** `too_early`: tickets, shares or accepted opens are still possible; `possibleAt` is an ISO 8601 instant. */
export type SettleOutcome =
  | { readonly outcome: 'settled'; readonly event: OpsEvent }
  | { readonly outcome: 'too_early'; readonly possibleAt: string };

export interface PageOptions {
  readonly cursor?: string;
  readonly limit?: number;
}

/** Reconciliation and settlement walk a whole event: they may take longer than a phone's call. */
const opsTimeoutMs = 60_000;

/** The operations REST. Acts are idempotent and repeated when their answer is lost, except `createEvent`. */
export class HongbaoOps {
  private readonly pursuer: Pursuer;
  private readonly baseUrl: string;
  private readonly token: string;

  constructor(options: HongbaoOpsOptions) {
    const limits = { ...defaultLimits, requestTimeoutMs: opsTimeoutMs, callMaxMs: 5 * opsTimeoutMs, ...options.limits };
    const clock = options.clock ?? deviceClock;
    const fetchLike = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.token = options.token;
    this.pursuer = {
      limits,
      clock,
      random: options.random ?? Math.random,
      budget: new RetryBudget(
        { budgetMax: limits.retryBudgetMax, ratio: limits.retryBudgetRatio, dripMs: limits.retryBudgetDripMs },
        clock.nowMs(),
      ),
      send: (request, signal) => sendOnce(fetchLike, request, limits.requestTimeoutMs, signal),
    };
  }

  /** Creates a draft; sent once, since a second copy would be a second event. @throws HongbaoProblemError `plan_invalid` with `faults`. */
  createEvent(plan: EventPlanInput): Promise<OpsEvent> {
    return this.call<OpsEvent>('POST', '/events', plan, { triesMax: 1 });
  }

  event(eventId: string): Promise<OpsEvent> {
    return this.call('GET', eventPath(eventId));
  }

  arm(eventId: string, reason: string): Promise<OpsEvent> {
    return this.call('POST', `${eventPath(eventId)}/arm`, { reason });
  }

  close(eventId: string, reason: string): Promise<OpsEvent> {
    return this.call('POST', `${eventPath(eventId)}/close`, { reason });
  }

  /** Refunds what nobody claimed and reveals the secret. */
  settle(eventId: string, reason: string): Promise<SettleOutcome> {
    return this.call<SettleOutcome>('POST', `${eventPath(eventId)}/settle`, { reason }, { judge: judgeSettle });
  }

  reconciliation(eventId: string): Promise<Reconciliation> {
    return this.call('GET', `${eventPath(eventId)}/reconciliation`);
  }

  degradation(): Promise<DegradationView> {
    return this.call('GET', '/degradation');
  }

  setTier(request: PutTierRequest): Promise<DegradationView> {
    return this.call('PUT', '/degradation/tier', request);
  }

  setFeature(key: string, request: PutFeatureRequest): Promise<DegradationView> {
    return this.call('PUT', `/degradation/features/${encodeURIComponent(key)}`, request);
  }

  async lanes(): Promise<LaneView[]> {
    return (await this.call<{ lanes: LaneView[] }>('GET', '/lanes')).lanes;
  }

  deadLetters(page: PageOptions = {}): Promise<{ deadLetters: DeadLetter[]; nextCursor?: string }> {
    return this.call('GET', `/dead-letters${queryOf(page)}`);
  }

  replayDeadLetter(id: string, reason: string): Promise<DeadLetter> {
    return this.call('POST', `/dead-letters/${encodeURIComponent(id)}/replay`, { reason });
  }

  auditLog(page: PageOptions = {}): Promise<{ entries: AuditEntry[]; nextCursor?: string }> {
    return this.call('GET', `/audit-log${queryOf(page)}`);
  }

  private call<T>(
    method: ApiRequest['method'],
    path: string,
    body?: unknown,
    rules: Partial<Pick<Pursuit<T>, 'judge' | 'triesMax'>> = {},
  ): Promise<T> {
    const { callTriesMax, callMaxMs } = this.pursuer.limits;
    const request: ApiRequest = { method, url: `${this.baseUrl}/ops/v1${path}`, token: this.token, body };
    return pursueOrThrow<T>(this.pursuer, {
      request: () => request,
      judge: judgeSuccess,
      triesMax: callTriesMax,
      maxMs: callMaxMs,
      ...rules,
    });
  }
}

const judgeSettle: Pursuit<SettleOutcome>['judge'] = (reply) => {
  if (reply.kind === 'answer') {
    const verdict = judgeSuccess<OpsEvent>(reply);
    return verdict?.verdict === 'settled' ? settled({ outcome: 'settled', event: verdict.value }) : undefined;
  }
  const { code, possibleAt } = reply.problem;
  if (code !== 'too_early' || typeof possibleAt !== 'string') return undefined;
  return settled({ outcome: 'too_early', possibleAt });
};

function eventPath(eventId: string): string {
  return `/events/${encodeURIComponent(eventId)}`;
}

function queryOf(page: PageOptions): string {
  const query = new URLSearchParams();
  if (page.cursor !== undefined) query.set('cursor', page.cursor);
  if (page.limit !== undefined) query.set('limit', String(page.limit));
  return query.size === 0 ? '' : `?${query}`;
}
