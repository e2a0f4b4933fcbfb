import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyBytesMax, openRequestSchema, type Problem, problemOf } from '#libs/contracts';
import { type Logger, ProblemError, validate } from '#libs/runtime';
import { closeAfter, sendJson, sendProblem } from '../process/raw-answer.ts';
import { dropBody, takeBody } from '../process/taken-body.ts';
import type { SessionVerifier } from '../sessions/session-verifier.ts';
import type { OpensService } from './opens.service.ts';

const path = '/v1/packets/open';
/** `type/subtype`, and parameters that nobody looks at: bodies are JSON whatever they say they are. */
const mediaType = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/;
const unsupported = problemOf('bad_request', 'Unsupported Media Type');
const tooLarge = problemOf('too_large');
const notJson = problemOf('bad_request', 'the body is not JSON');
const internal = problemOf('internal');

export interface OpenHandlerParts {
  readonly sessions: Pick<SessionVerifier, 'cached' | 'verify'>;
  readonly opens: Pick<OpensService, 'open'>;
  readonly logger: Logger;
}

/** `POST /v1/packets/open`, answered as the router would, without its cost: behind the checks of the front door, in front of the router. */
export class OpenHandler {
  constructor(private readonly parts: OpenHandlerParts) {}

  /** False: not an open, for the router. */
  tryHandle(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'POST' || !isOpenUrl(request.url!)) return false;
    const type = request.headers['content-type'];
    if (type !== undefined && !mediaType.test(type)) {
      dropBody(request);
      sendProblem(response, unsupported);
    } else if (Number(request.headers['content-length']) > bodyBytesMax) {
      dropBody(request);
      refuseBody(response, tooLarge);
    } else takeBody(request, bodyBytesMax, (text) => this.answer(text, request, response));
    return true;
  }

  private answer(text: string | undefined, request: IncomingMessage, response: ServerResponse): void {
    const body = text === undefined ? tooLarge : bodyOf(text);
    if (body === tooLarge || body === notJson) refuseBody(response, body as Problem);
    else void this.open(body, request, response);
  }

  private async open(body: unknown, { headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { sessions, opens } = this.parts;
    try {
      const { userId } = sessions.cached(headers.authorization) ?? (await sessions.verify(headers.authorization));
      const stateHeader = headers['x-shake-state'] as string | undefined;
      const answer = await opens.open(validate(openRequestSchema, body), { userId, stateHeader });
      sendJson(response, answer.status === 'pending' ? 202 : 200, answer);
    } catch (error) {
      this.fail(error, response);
    }
  }

  private fail(error: unknown, response: ServerResponse): void {
    if (error instanceof ProblemError) {
      sendProblem(response, error.problem);
      return;
    }
    this.parts.logger.error({ err: error }, 'unexpected error in an open');
    if (response.headersSent) response.destroy();
    else sendProblem(response, internal);
  }
}

/** What a body says; nothing when it is empty, `notJson` when it is no JSON. */
function bodyOf(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return notJson;
  }
}

/** More of the body may be on its way, and is not wanted. */
function refuseBody(response: ServerResponse, problem: Problem): void {
  closeAfter(response);
  sendProblem(response, problem);
}

/** True for the path however it is spelled, as the router has it: with a query, by its full address, with letters escaped. */
function isOpenUrl(url: string): boolean {
  if (url === path) return true;
  const isFull = !url.startsWith('/');
  if (isFull && (url.includes('#') || !URL.canParse(url))) return false;
  const pathOnly = url.replace(/^https?:\/\/[^/?]*/i, '').replace(/[?#].*$/s, '');
  if (!pathOnly.includes('%')) return pathOnly === path;
  try {
    return decodeURI(pathOnly) === path;
  } catch {
    // no address at all: the router says so
    return false;
  }
}
