import { isoOf } from '#libs/contracts';
import {
  eventPhaseAt,
  type KeyRing,
  luckOf,
  mergeShakeStates,
  packetIdOf,
  readShakeStates,
  type ShakeWin,
  signClaim,
  signShakeState,
  startOffsetMs,
} from '#libs/domain';
import { type PreparedAnswer, prepareAnswer } from '../process/raw-answer.ts';
import type { StoreTime } from '../process/store-time.ts';
import type { Upkeep } from '../process/upkeep.ts';
import type { Session } from '../sessions/session.ts';
import type { IssuedIndex } from './pool-hand.ts';
import { restMinMs, type ShakeAdmission } from './shake-admission.ts';
import { limitAnswer, missAnswers, notStartedAnswer, overAnswer, restAnswers } from './shake-answers.ts';
import type { ShakeCounters } from './shake-counters.ts';
import type { ShakeEvent } from './shake-event.ts';

/**
 * A shake before the time that the answer before it told is early. So many in a row are borne (hasty fingers, repeated requests, two
 * phones of one user); then each is told to rest and cut off.
 */
const earlyShakesMax = 20;

const noWins: readonly ShakeWin[] = [];

export interface ShakeVerdict {
  readonly answer: PreparedAnswer;
  /** The connection is closed after the answer: its client keeps coming early. */
  readonly isCutOff: boolean;
  /** The user holds a ticket now. */
  readonly isHit: boolean;
}

/** One shake as it is decided: read once, passed along. */
interface Shake {
  readonly session: Session;
  readonly event: ShakeEvent;
  readonly stateHeader: string | undefined;
  /** Store-clock milliseconds; the one reading of this shake. */
  readonly nowMs: number;
}

export interface ShakeParts {
  readonly ring: KeyRing;
  readonly time: StoreTime;
  readonly admission: ShakeAdmission;
  readonly counters: ShakeCounters;
  /** What runs beside the shakes is not left behind when the event loop is full of them. */
  readonly upkeep?: Pick<Upkeep, 'keepUp'>;
}

/** The draw. Everything here happens within one turn of the event loop and touches nothing but memory. */
export class ShakeService {
  constructor(private readonly parts: ShakeParts) {}

  /** The answer to one shake of a verified session. */
  shake(session: Session, event: ShakeEvent, stateHeader: string | undefined): ShakeVerdict {
    this.parts.upkeep?.keepUp();
    const { snapshot } = event.event;
    const freshMs = this.parts.time.freshMs();
    const nowMs = freshMs ?? this.parts.time.approxMs();
    const phase = eventPhaseAt(snapshot, nowMs);
    if (phase === 'over') return this.answer('over', overAnswer);
    if (nowMs < snapshot.startsAtMs + snapshot.staggerMs) {
      const startsAtMs = snapshot.startsAtMs + startOffsetMs(snapshot.id, session.user, snapshot.staggerMs);
      if (nowMs < startsAtMs) return this.answer('not_started', notStartedAnswer(startsAtMs - nowMs));
    }
    return this.take({ session, event, stateHeader, nowMs }, freshMs !== undefined);
  }

  /** A shake in its time. The turn decides, however often and over however many connections it is asked. */
  private take(shake: Shake, mayIssue: boolean): ShakeVerdict {
    const { session, event, nowMs } = shake;
    const { turns } = event;
    turns.arrive(session.user, nowMs);
    const isCutOff = comesTooEarly(session, turns.isEarly);
    const answered = event.wins.answerFrom(turns.turn, session.user, nowMs);
    if (answered !== undefined) return this.answer('hit', answered, isCutOff);
    if (isCutOff || !this.parts.admission.admits(session.user, nowMs))
      return this.answer('rest', restAnswers.of(turns.nextShakeMs(restMinMs)), isCutOff);
    const wins = this.winsOf(shake);
    const { perUserMax, sponsors } = event.event.snapshot;
    if (wins.length >= Math.min(perUserMax, sponsors.length)) return this.answer('limit', limitAnswer);
    const issued = turns.isDrawn ? undefined : this.draw(shake, wins, mayIssue);
    if (issued === undefined)
      return this.answer('miss', missAnswers.of(turns.nextShakeMs(this.parts.admission.pace.deferMs)));
    return this.answer('hit', this.hit(shake, wins, issued));
  }

  /** One user in one turn is one draw: repeating neither wins more nor lowers the chance of others. */
  private draw(
    { session, event, nowMs }: Shake,
    wins: readonly ShakeWin[],
    mayIssue: boolean,
  ): IssuedIndex | undefined {
    const { turns, stock } = event;
    turns.draw();
    event.rate.count(wins);
    const luck = luckOf(event.luckKey, session.user, turns.turn);
    if (luck >= stock.chance || !mayIssue) return undefined;
    const holdsSponsor = (sponsorNo: number): boolean => wins.some((win) => win.sponsorNo === sponsorNo);
    return stock.issue(luck, holdsSponsor, nowMs, session.user);
  }

  /** What the client's state says, and what this process remembers: whoever forgets the state wins no more for it. */
  private winsOf({ session, event, stateHeader, nowMs }: Shake): readonly ShakeWin[] {
    const remembered = event.wins.of(session.user);
    if (remembered === undefined && stateHeader === undefined) return noWins;
    const { id: eventId } = event.event.snapshot;
    const told =
      stateHeader === undefined ? [] : readShakeStates(this.parts.ring, eventId, session.userId, stateHeader);
    return mergeShakeStates([...told, { wins: remembered ?? noWins }], nowMs);
  }

  private hit(shake: Shake, wins: readonly ShakeWin[], issued: IssuedIndex): PreparedAnswer {
    const { session, event, nowMs } = shake;
    const { ring, counters, admission } = this.parts;
    const { id: eventId, ticketTtlMs } = event.event.snapshot;
    const { userId, user } = session;
    const { epoch, sponsorNo } = issued;
    const packetId = packetIdOf(issued);
    const expiresAtMs = nowMs + ticketTtlMs;
    const win = { packetId, sponsorNo, expiresAtMs };
    const answer = prepareAnswer({
      result: 'hit',
      ticket: signClaim(ring, { kind: 'ticket', eventId, packetId, epoch, sponsorNo, atMs: expiresAtMs, userId }),
      packetId: String(packetId),
      sponsor: event.event.sponsors.get(sponsorNo),
      expiresAt: isoOf(expiresAtMs),
      state: signShakeState(ring, { eventId, userId, wins: mergeShakeStates([{ wins }, { wins: [win] }], nowMs) }),
      nextShakeMs: Math.ceil(event.turns.nextShakeMs(admission.pace.deferMs)),
    });
    event.wins.add(user, win, event.turns.turn, answer, nowMs);
    counters.countIssued(issued.poolId);
    return answer;
  }

  private answer(result: keyof ShakeCounters['results'], answer: PreparedAnswer, isCutOff = false): ShakeVerdict {
    this.parts.counters.results[result] += 1;
    if (isCutOff) this.parts.counters.closedEarly += 1;
    return { answer, isCutOff, isHit: result === 'hit' };
  }
}

/** Counts the session's early shakes in a row; true when there are too many. */
function comesTooEarly({ pace }: Session, isEarly: boolean): boolean {
  pace.earlyCount = isEarly ? pace.earlyCount + 1 : 0;
  return pace.earlyCount > earlyShakesMax;
}
