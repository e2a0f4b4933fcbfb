import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import type { Problem } from '#libs/contracts';
import { Breaker, type BreakerOptions, type BreakerState, type Permit, RepeatBudget } from '#libs/isolation';
import { ProblemError } from './problem.ts';

export interface InternalClientOptions {
  /** Base address of the other service, without a path. */
  readonly baseUrl: string;
  readonly token: string;
  /** Name used in errors: `allocation`, `share`. */
  readonly dependency: string;
  /** Sockets to that service: its bulkhead. */
  readonly connectionsMax: number;
  /** Calls under way or waiting for a socket; one more is refused at once. */
  readonly callsMax: number;
  /** Whole call, connect to last byte, repetition included. */
  readonly timeoutMs: number;
  /** A longer answer is broken off: one service must not fill the memory of another. */
  readonly answerBytesMax?: number;
  readonly breaker?: BreakerOptions;
}

export interface InternalRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Replaces the client's timeout for a long command. */
  readonly timeoutMs?: number;
  /** Asked once more when its connection was lost on the way; absent: a GET is. What was never sent is in any case. */
  readonly isRepeatable?: boolean;
}

export interface InternalAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** How a link is doing, for metrics and tests. */
export interface LinkState {
  readonly callsUnderWay: number;
  readonly breaker: BreakerState;
  /** Running totals: calls refused because the bulkhead was full or the breaker open, and calls that were asked a second time. */
  readonly refusedFull: number;
  readonly refusedOpen: number;
  readonly repeats: number;
}

const answerBytesDefaultMax = 8 * 1024 * 1024;
const connectMaxMs = 2000;

/** Of a connection that broke (its service was restarted, say): another one may fare better. */
const lostCodes: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);
const neverSentCode = 'ECONNREFUSED';

/**
 * JSON over internal HTTP to one other service, isolated from everything else by a bulkhead (sockets and places of its own), a timeout for
 * the whole call and a breaker: while the service fails or hangs, calls are refused at once instead of waiting in their places.
 */
export class InternalClient {
  private readonly pool: Pool;
  private readonly breaker: Breaker;
  private readonly budget = new RepeatBudget();
  private calls = 0;
  private refusedFull = 0;
  private refusedOpen = 0;
  private repeats = 0;

  constructor(private readonly options: InternalClientOptions) {
    this.breaker = new Breaker(options.breaker);
    this.pool = new Pool(options.baseUrl, {
      connections: options.connectionsMax,
      pipelining: 1,
      connect: { timeout: Math.min(options.timeoutMs, connectMaxMs) },
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
    });
  }

  get state(): LinkState {
    const { calls, refusedFull, refusedOpen, repeats } = this;
    return { callsUnderWay: calls, breaker: this.breaker.state, refusedFull, refusedOpen, repeats };
  }

  /**
   * One call. Answers below 500, and refusals (503), come back as values (their bodies parsed), so that the caller can pass a problem on.
   * @throws ProblemError `overloaded` when the bulkhead is full, `dependency_unavailable` when the service is away, slow or broken, or was
   * of late.
   */
  async call(request: InternalRequest): Promise<InternalAnswer> {
    const permit = this.enter();
    try {
      const answer = await this.send(request);
      permit('ok');
      return answer;
    } catch (cause) {
      permit('failed');
      throw this.awayOr(cause);
    } finally {
      this.calls -= 1;
    }
  }

  /**
   * As `call`, and a problem of the other service is thrown as it came; otherwise its body is returned.
   * @throws ProblemError the other service's problem, or as `call`.
   */
  async json<T>(request: InternalRequest): Promise<T> {
    const { status, body } = await this.call(request);
    if (status < 400) return body as T;
    throw relayed(body as Problem, this.options.dependency);
  }

  /**
   * The body of an answer as it comes, for one that does not end by itself. It holds its place in the bulkhead until it is closed;
   * destroy it to end the call. It fails when nothing came for `silenceMaxMs`.
   * @throws ProblemError as `json`.
   */
  async stream(request: Pick<InternalRequest, 'path' | 'headers'>, silenceMaxMs: number): Promise<Readable> {
    const permit = this.enter();
    const leave = (): void => {
      this.calls -= 1;
    };
    try {
      const { statusCode, body } = await this.pool.request({
        method: 'GET',
        path: request.path,
        headers: { authorization: `Bearer ${this.options.token}`, ...request.headers },
        headersTimeout: this.options.timeoutMs,
        bodyTimeout: silenceMaxMs,
      });
      permit(isBroken(statusCode) ? 'failed' : 'ok');
      if (statusCode !== 200) throw relayed(JSON.parse(await readText(body, this.bytesMax)), this.options.dependency);
      body.once('close', leave);
      return body;
    } catch (cause) {
      permit('failed');
      leave();
      throw this.awayOr(cause);
    }
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }

  private get bytesMax(): number {
    return this.options.answerBytesMax ?? answerBytesDefaultMax;
  }

  private enter(): Permit {
    const { callsMax, dependency } = this.options;
    if (this.calls >= callsMax) {
      this.refusedFull += 1;
      throw new ProblemError('overloaded', `too many calls to ${dependency} are under way`);
    }
    const permit = this.breaker.enter();
    if (permit === undefined) {
      this.refusedOpen += 1;
      throw new ProblemError('dependency_unavailable', `${dependency} has failed too often of late`);
    }
    this.calls += 1;
    return permit;
  }

  private awayOr(cause: unknown): ProblemError {
    if (cause instanceof ProblemError) return cause;
    return new ProblemError('dependency_unavailable', `${this.options.dependency} is away or slow`, {}, { cause });
  }

  /** Repeats once, on another connection and within the same time, what may be asked twice. */
  private async send(request: InternalRequest): Promise<InternalAnswer> {
    const signal = AbortSignal.timeout(request.timeoutMs ?? this.options.timeoutMs);
    this.budget.earn();
    try {
      return await this.sendOnce(request, signal);
    } catch (cause) {
      if (!mayRepeat(request, cause) || signal.aborted || !this.budget.take()) throw cause;
      this.repeats += 1;
      return await this.sendOnce(request, signal);
    }
  }

  private async sendOnce(request: InternalRequest, signal: AbortSignal): Promise<InternalAnswer> {
    const timeoutMs = request.timeoutMs ?? this.options.timeoutMs;
    const { statusCode, body } = await this.pool.request({
      method: request.method,
      path: request.path,
      headers: {
        authorization: `Bearer ${this.options.token}`,
        'content-type': 'application/json',
        ...request.headers,
      },
      body: request.body === undefined ? null : JSON.stringify(request.body),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal,
    });
    const text = await readText(body, this.bytesMax);
    if (isBroken(statusCode))
      throw new ProblemError('dependency_unavailable', `${this.options.dependency} answered ${statusCode}`);
    return { status: statusCode, body: text === '' ? undefined : JSON.parse(text) };
  }
}

/** A service that refuses (503) is well: it says so itself. */
const isBroken = (status: number): boolean => status >= 500 && status !== 503;

function mayRepeat({ method, isRepeatable = method === 'GET' }: InternalRequest, error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === neverSentCode || (isRepeatable && lostCodes.has(code));
}

/** The whole text of a body. @throws Error once it is longer than allowed; the connection is closed then. */
async function readText(body: Readable, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`an answer of more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function relayed(problem: Problem, dependency: string): ProblemError {
  if (typeof problem?.code !== 'string')
    return new ProblemError('dependency_unavailable', `${dependency} gave no problem document`);
  const { type: _type, title: _title, status: _status, code, detail, ...extensions } = problem;
  return new ProblemError(code, detail, extensions);
}
