import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { type ErrorCode, errorCatalogue, errorCodes, type Problem, problemOf } from '#libs/contracts';
import type { Logger } from './logger.ts';

/** An expected refusal on its way to the edge: becomes the problem document of its code. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Problem;

  constructor(code: ErrorCode, detail?: string, extensions: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(detail ?? errorCatalogue[code].meaning, options);
    this.problem = problemOf(code, detail, extensions);
  }

  get code(): ErrorCode {
    return this.problem.code;
  }
}

interface ReplyLike {
  readonly sent: boolean;
  code(status: number): ReplyLike;
  header(name: string, value: string): ReplyLike;
  type(value: string): ReplyLike;
  send(body: unknown): unknown;
}

const byStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  413: 'too_large',
  414: 'bad_request',
  415: 'bad_request',
  429: 'too_many_requests',
  431: 'bad_request',
  503: 'overloaded',
};

const isCode = (code: unknown): code is ErrorCode => errorCodes.includes(code as ErrorCode);

/** Maps whatever was thrown to a problem; `undefined` for a defect (which is logged and answered as `internal`). */
export function problemFrom(error: unknown): Problem | undefined {
  if (error instanceof ProblemError) return error.problem;
  const status =
    error instanceof HttpException ? error.getStatus() : (error as { statusCode?: unknown } | null)?.statusCode;
  const code = typeof status === 'number' ? byStatus[status] : undefined;
  if (!code || !isCode(code)) return undefined;
  return problemOf(code, code === 'bad_request' ? (error as Error).message : undefined);
}

/** Writes a problem: RFC 9457 media type, `Retry-After` in whole seconds where it may be retried. */
export function sendProblem(reply: ReplyLike, problem: Problem): void {
  reply.code(problem.status).type('application/problem+json').header('cache-control', 'no-store');
  if (problem.retryAfterMs !== undefined) reply.header('retry-after', String(Math.ceil(problem.retryAfterMs / 1000)));
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  reply.send(JSON.stringify(problem));
}

/** The one place where errors become HTTP: everything thrown in a Nest or Fastify handler ends here. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<ReplyLike>();
    const problem = problemFrom(error);
    if (!problem) this.logger.error({ err: error }, 'unexpected error in a request');
    if (!reply.sent) sendProblem(reply, problem ?? problemOf('internal'));
  }
}
