import { sleep } from 'k6';
import http from 'k6/http';
import { repeated, unexpected } from './metrics.ts';

const requestTimeout = '5s';
const backoffBaseS = 0.25;
const backoffMaxS = 5;

/** Whatever the server answers is judged by its outcome: k6's own idea of a failed request is of no use. */
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 599 }));

export interface Answer<T> {
  /** 0 when no readable answer came. */
  readonly status: number;
  readonly body: T | undefined;
  /** The code of a problem document. */
  readonly code: string | undefined;
  readonly retryAfterMs: number;
  readonly durationMs: number;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  /** Name of the route for k6's own figures. */
  readonly name: string;
  readonly token?: string | undefined;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  readonly timeout?: string;
}

/** Sends one request, once. */
export function send<T>(call: Call): Answer<T> {
  const headers: Record<string, string> = { ...call.headers };
  if (call.token !== undefined) headers['authorization'] = `Bearer ${call.token}`;
  if (call.body !== undefined) headers['content-type'] = 'application/json';
  const body = call.body === undefined ? null : JSON.stringify(call.body);
  const timeout = call.timeout ?? requestTimeout;
  const response = http.request(call.method, call.url, body, { headers, timeout, tags: { name: call.name } });
  const parsed = parse(response.body);
  const problem = (parsed ?? {}) as { code?: string; retryAfterMs?: number };
  return {
    status: parsed === undefined ? 0 : response.status,
    body: parsed as T | undefined,
    code: response.status >= 400 ? problem.code : undefined,
    retryAfterMs: problem.retryAfterMs ?? 0,
    durationMs: response.timings.duration,
  };
}

/** Lost, shed or away: the same request may succeed soon. A feature that has yielded is an outcome, not a failure. */
export function isPassing(answer: Answer<unknown>): boolean {
  if (answer.code === 'feature_off') return false;
  return answer.status === 0 || answer.status === 429 || answer.status >= 500;
}

/** Waits before sending again: what the server asked for, and a full jitter on top. */
export function backOff(route: string, attempt: number, answer: Answer<unknown>): void {
  repeated.add(1, { route, code: answer.code ?? 'lost' });
  const ceilingS = Math.min(backoffMaxS, backoffBaseS * 2 ** Math.min(attempt, 10));
  sleep(answer.retryAfterMs / 1000 + Math.random() * ceilingS);
}

/** Sends until there is an answer that is no passing failure, or `untilMs` has come. */
export function sendUntil<T>(call: Call, untilMs: number): Answer<T> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = send<T>(call);
    if (!isPassing(answer) || Date.now() > untilMs) return answer;
    backOff(call.name, attempt, answer);
  }
}

export function noteUnexpected(where: string, answer: Answer<unknown>): void {
  unexpected.add(1, { where, got: `${answer.status} ${answer.code ?? ''}` });
}

function parse(body: unknown): unknown {
  if (typeof body !== 'string' || body === '') return undefined;
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
