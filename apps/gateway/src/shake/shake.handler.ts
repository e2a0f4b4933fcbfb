import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyBytesMax, problemOf } from '#libs/contracts';
import { type Logger, ProblemError } from '#libs/runtime';
import { closeAfter, prepareProblem, sendPrepared } from '../process/raw-answer.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionVerifier } from '../sessions/session-verifier.ts';
import type { ShakeService } from './shake.service.ts';
import { AnswerRing, restOf } from './shake-answers.ts';
import type { ShakeCounters } from './shake-counters.ts';
import type { ShakeEvents } from './shake-events.ts';

const pathStart = '/v1/events/';
const pathEnd = '/shake';
/** What a client waits that shakes at a gateway which has not heard of any event yet. */
const unreadyRestMs = 2000;
const unreadyRests = new AnswerRing(restOf, unreadyRestMs);
const eventUnknown = prepareProblem(problemOf('event_unknown'));
const tooLarge = prepareProblem(problemOf('too_large'));
const internal = prepareProblem(problemOf('internal'));

export interface ShakeHandlerParts {
  readonly sessions: SessionVerifier;
  readonly events: ShakeEvents;
  readonly shakes: ShakeService;
  readonly counters: ShakeCounters;
  readonly logger: Logger;
}

/** `POST /v1/events/:eventId/shake`, in front of the router: on a warm session it is answered before it returns. */
export class ShakeHandler {
  constructor(private readonly parts: ShakeHandlerParts) {}

  /** False: not a shake, for the router. */
  tryHandle(request: IncomingMessage, response: ServerResponse): boolean {
    const eventIdText = request.method === 'POST' ? shakenEventIn(request.url!) : undefined;
    if (eventIdText === undefined) return false;
    if (!boundBody(request, response)) {
      this.parts.counters.refused += 1;
      return true;
    }
    const { authorization } = request.headers;
    const session = this.parts.sessions.cached(authorization);
    if (session === undefined) void this.verifyAndAnswer(authorization, eventIdText, request, response);
    else this.answerSafely(session, eventIdText, request, response);
    return true;
  }

  /** A defect costs one answer, not the process. */
  private answerSafely(
    session: Session,
    eventIdText: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    try {
      this.answer(session, eventIdText, request, response);
    } catch (error) {
      this.refuse(error, response);
    }
  }

  private async verifyAndAnswer(
    authorization: string | undefined,
    eventIdText: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    try {
      this.answer(await this.parts.sessions.verify(authorization), eventIdText, request, response);
    } catch (error) {
      this.refuse(error, response);
    }
  }

  private answer(session: Session, eventIdText: string, request: IncomingMessage, response: ServerResponse): void {
    const { events, shakes, counters } = this.parts;
    const event = events.find(eventIdText);
    if (event === undefined) {
      counters.refused += 1;
      sendPrepared(response, events.isLoaded ? eventUnknown : unreadyRests.next());
      return;
    }
    const { answer, isCutOff } = shakes.shake(session, event, request.headers['x-shake-state'] as string | undefined);
    if (isCutOff) closeAfter(response);
    sendPrepared(response, answer);
  }

  /** A gateway that cannot verify right now asks for patience like any loss; a bad session is told so. */
  private refuse(error: unknown, response: ServerResponse): void {
    this.parts.counters.refused += 1;
    if (!(error instanceof ProblemError)) {
      this.parts.logger.error({ err: error }, 'unexpected error in a shake');
      if (response.headersSent) response.destroy();
      else sendPrepared(response, internal);
    } else {
      sendPrepared(response, error.code === 'unauthenticated' ? prepareProblem(error.problem) : unreadyRests.next());
    }
  }
}

/** The event id in the path of a shake; undefined for any other path. */
function shakenEventIn(url: string): string | undefined {
  if (!url.startsWith(pathStart)) return undefined;
  const queryAt = url.indexOf('?');
  const pathLength = queryAt < 0 ? url.length : queryAt;
  const idLength = pathLength - pathStart.length - pathEnd.length;
  if (idLength < 1 || !url.startsWith(pathEnd, pathLength - pathEnd.length)) return undefined;
  const idText = url.slice(pathStart.length, pathStart.length + idLength);
  return idText.includes('/') ? undefined : idText;
}

/** A shake has no body; one that comes is drained, up to `bodyBytesMax`. False: it was refused as too large. */
function boundBody(request: IncomingMessage, response: ServerResponse): boolean {
  const { headers } = request;
  const length = headers['content-length'];
  if (length !== undefined) return Number(length) <= bodyBytesMax || refuseBody(response);
  if (headers['transfer-encoding'] === undefined) return true;
  let bytes = 0;
  // the answer does not wait for the body: one that grows too long loses its connection
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) request.destroy();
  });
  return true;
}

function refuseBody(response: ServerResponse): false {
  closeAfter(response);
  sendPrepared(response, tooLarge);
  return false;
}
