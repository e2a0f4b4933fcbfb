import { isoOf } from '#libs/contracts';
import {
  eventPhaseAt,
  type KeyRing,
  luckOf,
  mergeShakeStates,
  packetIdOf,
  readShakeStates,
  type ShakeWin,
  shakeSlot,
  signClaim,
  signShakeState,
  startOffsetMs,
} from '#libs/domain';
import { type PreparedAnswer, prepareAnswer } from '../process/raw-answer.ts';
import type { StoreTime } from '../process/store-time.ts';
import type { Session } from '../sessions/session.ts';
import type { IssuedIndex } from './pool-hand.ts';
import type { ShakeAdmission } from './shake-admission.ts';
import { jitteredMs, limitAnswer, notStartedAnswer, overAnswer } from './shake-answers.ts';
import type { ShakeCounters } from './shake-counters.ts';
import type { ShakeEvent } from './shake-event.ts';

/** A shake sooner than this share of the interval after the one before it is early: the answer before it said otherwise. */
const earlyShare = 0.5;
/** So many early shakes in a row are borne (hasty fingers, repeated requests); then each is told to rest and cut off. */
const earlyShakesMax = 20;

const noWins: readonly ShakeWin[] = [];

export interface ShakeVerdict {
  readonly answer: PreparedAnswer;
  /** The connection is closed after the answer: its client keeps coming early. */
  readonly isCutOff: boolean;
}

/** One shake as it is decided: read once, passed along. */
interface Shake {
  readonly session: Session;
  readonly event: ShakeEvent;
  readonly stateHeader: string | undefined;
  /** Store-clock milliseconds; the one reading of this shake. */
  readonly nowMs: number;
  readonly slot: number;
}

export interface ShakeParts {
  readonly ring: KeyRing;
  readonly time: StoreTime;
  readonly admission: ShakeAdmission;
  readonly counters: ShakeCounters;
}

/** The draw. Everything here happens within one turn of the event loop and touches nothing but memory. */
export class ShakeService {
  constructor(private readonly parts: ShakeParts) {}

  /** The answer to one shake of a verified session. */
  shake(session: Session, event: ShakeEvent, stateHeader: string | undefined): ShakeVerdict {
    const { snapshot } = event.event;
    const freshMs = this.parts.time.freshMs();
    const nowMs = freshMs ?? this.parts.time.approxMs();
    const phase = eventPhaseAt(snapshot, nowMs);
    if (phase === 'over') return this.answer('over', overAnswer);
    const startsAtMs = snapshot.startsAtMs + startOffsetMs(snapshot.id, session.user, snapshot.staggerMs);
    if (nowMs < startsAtMs) return this.answer('not_started', notStartedAnswer(startsAtMs - nowMs));

    const slot = shakeSlot(nowMs, startsAtMs, snapshot.shakeIntervalMs);
    const isCutOff = comesEarly(session, nowMs, snapshot.shakeIntervalMs);
    const shake = { session, event, stateHeader, nowMs, slot };
    const answered = event.wins.answerIn(slot, session.userId, nowMs);
    if (answered !== undefined) return this.answer('hit', answered, isCutOff);
    if (isCutOff || !this.parts.admission.admits(session.user, nowMs))
      return this.answer('rest', event.rests.next(), isCutOff);
    return this.draw(shake, freshMs !== undefined);
  }

  private draw(shake: Shake, mayIssue: boolean): ShakeVerdict {
    const { session, event, nowMs, slot } = shake;
    const wins = this.winsOf(shake);
    const { perUserMax, sponsors } = event.event.snapshot;
    if (wins.length >= Math.min(perUserMax, sponsors.length)) return this.answer('limit', limitAnswer);
    countDistinct(session, event, wins, slot);
    const luck = luckOf(event.luckKey, session.user, slot);
    if (luck >= event.stock.chance || !mayIssue) return this.answer('miss', event.misses.next());
    const holdsSponsor = (sponsorNo: number): boolean => wins.some((win) => win.sponsorNo === sponsorNo);
    const issued = event.stock.issue(luck, holdsSponsor, nowMs);
    if (issued === undefined) return this.answer('miss', event.misses.next());
    return this.answer('hit', this.hit(shake, wins, issued));
  }

  /** What the client's state says, and what this process remembers: whoever forgets the state wins no more for it. */
  private winsOf({ session, event, stateHeader, nowMs }: Shake): readonly ShakeWin[] {
    const { userId } = session;
    const remembered = event.wins.of(userId);
    if (remembered === undefined && stateHeader === undefined) return noWins;
    const told =
      stateHeader === undefined ? [] : readShakeStates(this.parts.ring, event.event.snapshot.id, userId, stateHeader);
    return mergeShakeStates([...told, { wins: remembered ?? noWins }], nowMs);
  }

  private hit(shake: Shake, wins: readonly ShakeWin[], issued: IssuedIndex): PreparedAnswer {
    const { session, event, nowMs, slot } = shake;
    const { ring, admission, counters } = this.parts;
    const { id: eventId, ticketTtlMs, shakeIntervalMs } = event.event.snapshot;
    const { userId } = session;
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
      nextShakeMs: jitteredMs(admission.intervalMs(shakeIntervalMs), Math.random()),
    });
    event.wins.add(userId, win, slot, answer, nowMs);
    counters.countIssued(issued.poolId);
    return answer;
  }

  private answer(result: keyof ShakeCounters['results'], answer: PreparedAnswer, isCutOff = false): ShakeVerdict {
    this.parts.counters.results[result] += 1;
    if (isCutOff) this.parts.counters.closedEarly += 1;
    return { answer, isCutOff };
  }
}

/** Keeps the session's pace; true when it has come early too often in a row. */
function comesEarly({ pace }: Session, nowMs: number, shakeIntervalMs: number): boolean {
  const isEarly = nowMs - pace.lastShakeMs < shakeIntervalMs * earlyShare;
  pace.lastShakeMs = nowMs;
  pace.earlyCount = isEarly ? pace.earlyCount + 1 : 0;
  return pace.earlyCount > earlyShakesMax;
}

/** One user in one slot is one shake, however often it is repeated: repeating neither wins more nor lowers the chance of others. */
function countDistinct({ pace }: Session, event: ShakeEvent, wins: readonly ShakeWin[], slot: number): void {
  const { id } = event.event.snapshot;
  if (pace.lastSlot === slot && pace.lastEventId === id) return;
  pace.lastSlot = slot;
  pace.lastEventId = id;
  event.rate.count(wins);
}
