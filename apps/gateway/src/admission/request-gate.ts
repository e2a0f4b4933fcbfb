import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { problemOf } from '#libs/contracts';
import { type LocalAdmission, ofEachClass, type ShedClass, shedOrder } from '#libs/degradation';
import { priorityAt } from '#libs/domain';
import { type PreparedAnswer, prepareProblem, sendPrepared } from '../process/raw-answer.ts';
import type { StoreTime } from '../process/store-time.ts';
import { whenOver } from '../process/when-over.ts';
import type { SessionVerifier } from '../sessions/session-verifier.ts';
import { importanceOf } from './asked-feature.ts';
import type { LineShedder } from './line-shedder.ts';

/** More important than shakes. */
const aboutMoney: ReadonlySet<ShedClass> = new Set(shedOrder.slice(shedOrder.indexOf('shake') + 1));

/** Those who were refused are not all told the same time to come back. */
const retryAfterMs = { first: 1000, step: 250, count: 9 };
const overloaded = Array.from({ length: retryAfterMs.count }, (_, i) =>
  prepareProblem(problemOf('overloaded', undefined, { retryAfterMs: retryAfterMs.first + i * retryAfterMs.step })),
);

export interface RequestGateParts {
  readonly admission: Pick<LocalAdmission, 'shareOf'>;
  readonly sessions: Pick<SessionVerifier, 'cached'>;
  readonly time: Pick<StoreTime, 'approxMs'>;
  /** Requests under way that are no opens: so many places are theirs, and none of those that opens have. */
  readonly othersUnderWayMax: number;
  /** A connection that asks for more than shakes is not let go of. */
  readonly lines?: Pick<LineShedder<Socket>, 'keep'>;
  /** Uniform in [0, 1): the priority of those who have no session that was seen before. */
  readonly random?: () => number;
}

/** Whether a request of the router is answered or refused at once, by the level of this process and by what is under way. */
export class RequestGate {
  /** Totals since the start, by class; shakes that pass the router are not among them. */
  readonly came = ofEachClass(0);
  readonly refused = ofEachClass(0);
  othersUnderWay = 0;
  private nextRefusal = 0;

  constructor(private readonly parts: RequestGateParts) {}

  /** All that came since the start. */
  cameCount(): number {
    return Object.values(this.came).reduce((sum, count) => sum + count, 0);
  }

  /** False: it was refused. */
  letIn(request: IncomingMessage, response: ServerResponse): boolean {
    const importance = importanceOf(request.method!, request.url!);
    if (importance === undefined) return true;
    this.came[importance] += 1;
    if (!this.hasRoom(importance) || !this.admits(importance, request)) {
      this.refused[importance] += 1;
      sendPrepared(response, this.refusal());
      return false;
    }
    if (aboutMoney.has(importance)) this.parts.lines?.keep(request.socket, performance.now());
    if (importance === 'open') return true;
    this.othersUnderWay += 1;
    whenOver(response, () => {
      this.othersUnderWay -= 1;
    });
    return true;
  }

  private hasRoom(importance: ShedClass): boolean {
    return importance === 'open' || this.othersUnderWay < this.parts.othersUnderWayMax;
  }

  private admits(importance: ShedClass, { headers }: IncomingMessage): boolean {
    const { admission, sessions, time, random = Math.random } = this.parts;
    const share = admission.shareOf(importance);
    if (share >= 1) return true;
    const session = sessions.cached(headers.authorization);
    // one who is not known yet has no luck to keep
    return (session === undefined ? random() : priorityAt(session.user, time.approxMs())) < share;
  }

  private refusal(): PreparedAnswer {
    // coprime to their count: neighbours are told times that lie apart
    this.nextRefusal = (this.nextRefusal + 4) % overloaded.length;
    return overloaded[this.nextRefusal]!;
  }
}
