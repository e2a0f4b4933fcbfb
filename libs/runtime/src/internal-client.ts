import type { Readable } from 'node:stream';
import { Pool } from 'undici';
import type { Problem } from '#libs/contracts';
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
  /** Whole call, connect to last byte. */
  readonly timeoutMs: number;
}

export interface InternalRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Replaces the client's timeout for a long command. */
  readonly timeoutMs?: number;
}

export interface InternalAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** JSON over internal HTTP to one other service, behind a bulkhead of its own. */
export class InternalClient {
  private readonly pool: Pool;
  private calls = 0;

  constructor(private readonly options: InternalClientOptions) {
    this.pool = new Pool(options.baseUrl, {
      connections: options.connectionsMax,
      pipelining: 1,
      connect: { timeout: Math.min(options.timeoutMs, 2000) },
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
    });
  }

  /**
   * One call. Answers below 500 come back as values (their bodies parsed), so that the caller can pass a problem on.
   * @throws ProblemError `overloaded` when the bulkhead is full, `dependency_unavailable` when the service is away, slow or broken.
   */
  async call(request: InternalRequest): Promise<InternalAnswer> {
    this.enter();
    try {
      return await this.send(request);
    } catch (cause) {
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
    this.enter();
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
      if (statusCode !== 200) throw relayed(JSON.parse(await body.text()) as Problem, this.options.dependency);
      body.once('close', leave);
      return body;
    } catch (cause) {
      leave();
      throw this.awayOr(cause);
    }
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }

  private enter(): void {
    if (this.calls >= this.options.callsMax)
      throw new ProblemError('overloaded', `too many calls to ${this.options.dependency} are under way`);
    this.calls += 1;
  }

  private awayOr(cause: unknown): ProblemError {
    if (cause instanceof ProblemError) return cause;
    return new ProblemError('dependency_unavailable', `${this.options.dependency} is away or slow`, {}, { cause });
  }

  private async send(request: InternalRequest): Promise<InternalAnswer> {
    const timeoutMs = request.timeoutMs ?? this.options.timeoutMs;
    const response = await this.pool.request({
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
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.body.text();
    if (response.statusCode >= 500 && response.statusCode !== 503) {
      throw new ProblemError('dependency_unavailable', `${this.options.dependency} answered ${response.statusCode}`);
    }
    return { status: response.statusCode, body: text === '' ? undefined : JSON.parse(text) };
  }
}

function relayed(problem: Problem, dependency: string): ProblemError {
  if (typeof problem?.code !== 'string')
    return new ProblemError('dependency_unavailable', `${dependency} gave no problem document`);
  const { type: _type, title: _title, status: _status, code, detail, ...extensions } = problem;
  return new ProblemError(code, detail, extensions);
}
