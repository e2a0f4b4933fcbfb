import type { Problem } from '#libs/contracts';

export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
}
export interface FetchAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}
/** What the SDK needs of `fetch`: the global one fits, so does a pooled one. */
export type FetchLike = (url: string, init: FetchInit) => Promise<FetchAnswer>;

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Base address and path. */
  readonly url: string;
  readonly token?: string | undefined;
  /** The session's token is put in when the request is sent. */
  readonly needsSession?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/**
 * What became of one request. `lost`: no readable answer, so it may or may not have been carried out; `retryAfterMs` when an
 * intermediary said so.
 */
export type Reply =
  | { readonly kind: 'answer'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'problem'; readonly problem: Problem }
  | { readonly kind: 'lost'; readonly detail: string; readonly cause?: unknown; readonly retryAfterMs?: number }
  | { readonly kind: 'aborted' };

/** Statuses of intermediaries that say "not now", with or without a problem document. */
const passingStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** True when the same request may succeed later: retryable codes carry `retryAfterMs` (the catalogue's rule). */
export function isPassing(problem: Problem): boolean {
  return problem.retryAfterMs !== undefined || passingStatuses.has(problem.status);
}

/** "POST /v1/packets/open" for messages; a query (which may hold a receipt) is left out. */
export function labelOf(request: ApiRequest): string {
  const path = request.url.replace(/^https?:\/\/[^/]*/, '').replace(/\?.*$/, '');
  return `${request.method} ${path}`;
}

/** Sends one request, once, within `timeoutMs`. Every ordinary failure is a value; it throws nothing. */
export async function sendOnce(
  fetchLike: FetchLike,
  request: ApiRequest,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Reply> {
  if (signal?.aborted) return { kind: 'aborted' };
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const answer = await fetchLike(request.url, initOf(request, controller.signal));
    return replyOf(answer, await answer.text());
  } catch (cause) {
    if (signal?.aborted) return { kind: 'aborted' };
    const detail = controller.signal.aborted ? `no answer within ${timeoutMs} ms` : 'the connection failed';
    return { kind: 'lost', detail, cause };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

function initOf(request: ApiRequest, signal: AbortSignal): FetchInit {
  const headers: Record<string, string> = { accept: 'application/json', ...request.headers };
  if (request.token !== undefined) headers['authorization'] = `Bearer ${request.token}`;
  if (request.body === undefined) return { method: request.method, headers, signal };
  headers['content-type'] = 'application/json';
  return { method: request.method, headers, body: JSON.stringify(request.body), signal };
}

function replyOf(answer: FetchAnswer, text: string): Reply {
  const body = parseJson(text);
  if (answer.status < 400) {
    if (body !== undefined) return { kind: 'answer', status: answer.status, body };
    return { kind: 'lost', detail: `a ${answer.status} answer that is not JSON` };
  }
  if (isProblem(body)) return { kind: 'problem', problem: withRetryAfter(body, answer) };
  if (passingStatuses.has(answer.status)) {
    return { kind: 'lost', detail: `status ${answer.status} from an intermediary`, ...retryAfterOf(answer) };
  }
  return { kind: 'answer', status: answer.status, body };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isProblem(body: unknown): body is Problem {
  const { code, status, detail } = (body ?? {}) as Partial<Record<keyof Problem, unknown>>;
  return typeof code === 'string' && typeof status === 'number' && typeof detail === 'string';
}

function withRetryAfter(problem: Problem, answer: FetchAnswer): Problem {
  return problem.retryAfterMs === undefined ? { ...problem, ...retryAfterOf(answer) } : problem;
}

/** `Retry-After` in whole seconds (RFC 9110); its date form is not sent by this API. */
function retryAfterOf(answer: FetchAnswer): { retryAfterMs?: number } {
  const text = answer.headers.get('retry-after');
  return text !== null && /^\d{1,6}$/.test(text) ? { retryAfterMs: Number(text) * 1000 } : {};
}
