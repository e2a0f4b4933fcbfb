import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { bodyBytesMax, problemOf } from '#libs/contracts';
import { type Logger, ProblemError } from '#libs/runtime';
import type { Doorkeeper } from '../abuse/doorkeeper.ts';
import type { LineShedder } from '../admission/line-shedder.ts';
import { closeAfter, type PreparedAnswer, prepareProblem, sendPrepared } from '../process/raw-answer.ts';
import { leaveUnread } from '../process/unread-request.ts';
import type { Session } from '../sessions/session.ts';
import type { SessionVerifier } from '../sessions/session-verifier.ts';
import type { ShakeService } from './shake.service.ts';
import { AnswerRing, restOf } from './shake-answers.ts';
import type { ShakeCounters } from './shake-counters.ts';
import type { ShakeEvents } from './shake-events.ts';

const pathStart = '/v1/events/';
const pathEnd = '/shake';
/** What a client waits that shakes at a gateway which has not heard of any event yet, or cannot verify it now. */
const unreadyRestMs = 2000;
const unreadyRests = new AnswerRing(restOf, unreadyRestMs);
const eventUnknown = prepareProblem(problemOf('event_unknown'));
const tooLarge = prepareProblem(problemOf('too_large'));
const unauthenticated = prepareProblem(problemOf('unauthenticated'));
const internal = prepareProblem(problemOf('internal'));

export interface ShakeHandlerParts {
  readonly sessions: SessionVerifier;
  readonly events: ShakeEvents;
  readonly shakes: ShakeService;
  readonly counters: ShakeCounters;
  readonly doorkeeper: Doorkeeper;
  readonly lines: Pick<LineShedder<Socket>, 'keep'>;
  readonly logger: Logger;
}

/**
 * `POST /v1/events/:eventId/shake`, in front of the router: on a warm session, and on one by the shared secret, it is answered before it
 * returns. Hot: what a plain miss does not need is in methods of its own.
 */
export class ShakeHandler {
  /** The latest address that was a shake's, and its event id: during an event nearly all are the same. */
  private latestUrl = '';
  private latestIdText = '';

  constructor(private readonly parts: ShakeHandlerParts) {}

  /** False: not a shake, for the router. */
  tryHandle(request: IncomingMessage, response: ServerResponse): boolean {
    const eventIdText = request.method === 'POST' ? this.eventIdIn(request.url!) : undefined;
    if (eventIdText === undefined) return false;
    if (!boundBody(request)) {
      closeAfter(response);
      this.refuse(response, tooLarge);
      return true;
    }
    const { authorization } = request.headers;
    const session = this.parts.sessions.cached(authorization);
    if (session === undefined) this.answerNew(authorization, eventIdText, request, response);
    else this.answerSafely(session, eventIdText, request, response);
    return true;
  }

  private eventIdIn(url: string): string | undefined {
    if (url === this.latestUrl) return this.latestIdText;
    const idText = shakenEventIn(url);
    if (idText !== undefined) {
      this.latestUrl = url;
      this.latestIdText = idText;
    }
    return idText;
  }

  /** A session that is not cached. */
  private answerNew(
    authorization: string | undefined,
    eventIdText: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const { sessions, doorkeeper } = this.parts;
    if (!doorkeeper.admitsSession(request)) {
      if (doorkeeper.isClientsOwn(request)) closeAfter(response);
      this.refuse(response, unreadyRests.next());
      return;
    }
    const session = sessions.verifyNow(authorization);
    if (session === 'refused') this.refuseSession(request, response);
    else if (session === 'later') void this.verifyAndAnswer(authorization, eventIdText, request, response);
    else this.answerSafely(session, eventIdText, request, response);
  }

  /** A session whose key is the JWKS's. */
  private async verifyAndAnswer(
    authorization: string | undefined,
    eventIdText: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    try {
      this.answer(await this.parts.sessions.verify(authorization), eventIdText, request, response);
    } catch (error) {
      this.fail(error, request, response);
    }
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
      this.fail(error, request, response);
    }
  }

  private answer(session: Session, eventIdText: string, request: IncomingMessage, response: ServerResponse): void {
    const { events, shakes } = this.parts;
    const event = events.find(eventIdText);
    if (event === undefined) {
      this.refuse(response, events.isLoaded ? eventUnknown : unreadyRests.next());
      return;
    }
    const { pace } = session;
    const earlyBefore = pace.earlyCount;
    const { answer, isCutOff, isHit } = shakes.shake(
      session,
      event,
      request.headers['x-shake-state'] as string | undefined,
    );
    // who has won will open, and by this connection
    if (isHit) this.parts.lines.keep(request.socket, performance.now());
    if (isCutOff || pace.earlyCount > earlyBefore) this.mindEarly(isCutOff, request, response);
    sendPrepared(response, answer);
  }

  /** After a shake that came early: its session, its connection or its address may have brought too many. */
  private mindEarly(isCutOff: boolean, request: IncomingMessage, response: ServerResponse): void {
    const { doorkeeper, counters } = this.parts;
    const hasTooMany = doorkeeper.countEarly(request);
    if (hasTooMany && !isCutOff) counters.closedEarly += 1;
    if (hasTooMany || (isCutOff && doorkeeper.isClientsOwn(request))) closeAfter(response);
  }

  private refuseSession(request: IncomingMessage, response: ServerResponse): void {
    this.parts.doorkeeper.countFailedSession(request);
    this.refuse(response, unauthenticated);
  }

  /** A gateway that cannot verify right now asks for patience like any loss; a bad session is told so. */
  private fail(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    if (error instanceof ProblemError && error.code === 'unauthenticated') this.refuseSession(request, response);
    else if (error instanceof ProblemError) this.refuse(response, unreadyRests.next());
    else {
      this.parts.logger.error({ err: error }, 'unexpected error in a shake');
      if (response.headersSent) response.destroy();
      else this.refuse(response, internal);
    }
  }

  private refuse(response: ServerResponse, answer: PreparedAnswer): void {
    this.parts.counters.refused += 1;
    sendPrepared(response, answer);
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

/** A shake has no body; one that comes is drained, up to `bodyBytesMax`. False: it is too large. */
function boundBody(request: IncomingMessage): boolean {
  const { headers } = request;
  const length = headers['content-length'];
  if (headers['transfer-encoding'] === undefined) {
    leaveUnread(request);
    return length === undefined || Number(length) <= bodyBytesMax;
  }
  let bytes = 0;
  // the answer does not wait for the body: one that grows too long loses its connection
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) request.destroy();
  });
  return true;
}
