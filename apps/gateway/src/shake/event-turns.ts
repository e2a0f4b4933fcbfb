import type { EventSnapshot } from '#libs/contracts';
import { latestTurn, nextTurn, slotShift, stretchMaxOf, turnPhase, type UserHash } from '#libs/domain';
import type { PacedLoad } from './pace-controller.ts';
import { activePeriodMs, TurnBook } from './turn-book.ts';

/** No pace makes anybody wait longer for a turn; an event whose own interval asks for more is not paced. */
const paceWaitMaxMs = 10_000;
/** Clients are called into this part of their slot: not at its very start, and early enough that a slow network is in time. */
const calledFrom = 0.1;
const calledUntil = 0.7;
/** Steps of an additive recurrence too: however many are called in a row, their places in the slot are spread evenly. */
const jitterStep = 0.6180339887498949;

type Turned = Pick<EventSnapshot, 'id' | 'startsAtMs' | 'shakeIntervalMs'>;

/**
 * The largest stretch with which nobody who shakes at this interval is told to wait longer than ten seconds: the longest gap, and the
 * place in the slot after it.
 */
export function stretchMaxAt(shakeIntervalMs: number): number {
  return stretchMaxOf(Math.floor(paceWaitMaxMs / shakeIntervalMs - calledUntil));
}

/**
 * The turns of one event's users on this process (libs/domain, pacing): whose turn it is, whether it was drawn, and when the next one
 * comes. `arrive` puts what is known of the shake under way into fields, so that nothing is allocated; they hold until the next one.
 */
export class EventTurns {
  /** The turn that the shake is decided by. */
  turn = 0;
  /** The turn was drawn before: it is not drawn again. */
  isDrawn = false;
  /** The shake came before the slot that its user was told to come back in. */
  isEarly = false;
  private stretch = 1;
  private jitter = 0;
  private earlyShakes = 0;
  private periodEndsAtMs = 0;
  private place = 0;
  private phase = 0;
  /** Slots gone by at the shake, on the user's grid. */
  private slots = 0;

  constructor(
    private event: Turned,
    private readonly book = new TurnBook(),
  ) {}

  /** How many slots there are to a turn now. */
  get currentStretch(): number {
    return this.stretch;
  }

  update(event: Turned): void {
    this.event = event;
  }

  /** Off the hot path, each tick. `isBehind`: the process cannot keep up at the moment. */
  tick(nowMs: number, stretch: number, isBehind: boolean): void {
    this.stretch = stretch;
    if (nowMs < this.periodEndsAtMs) return;
    this.periodEndsAtMs = nowMs + activePeriodMs;
    this.book.endPeriod(isBehind);
  }

  /** A user shakes, not before the event's start. */
  arrive(user: UserHash, nowMs: number): void {
    const { id, startsAtMs, shakeIntervalMs } = this.event;
    this.slots = (nowMs - startsAtMs) / shakeIntervalMs + slotShift(id, user);
    const slot = Math.floor(this.slots);
    this.phase = turnPhase(id, user);
    this.place = this.book.visit(user);
    this.isEarly = slot < this.book.toldOf(this.place);
    if (this.isEarly) this.earlyShakes += 1;
    const drawn = this.book.turnOf(this.place);
    const latest = latestTurn(this.phase, slot, this.stretch);
    // drawn at a smaller stretch before: an older turn is not drawn after a younger one
    this.isDrawn = latest <= drawn;
    this.turn = this.isDrawn ? drawn : latest;
  }

  /** The turn of the shake under way is drawn: once. */
  draw(): void {
    this.book.setTurn(this.place, this.turn);
  }

  /**
   * How long the user of the shake under way waits for its next turn: one that is not sooner than `restMs` from now, if it is within
   * ten seconds of now and of the last turn that was drawn; else the last turn that is, or the very next.
   */
  nextShakeMs(restMs: number): number {
    const { shakeIntervalMs } = this.event;
    this.jitter = (this.jitter + jitterStep) % 1;
    const place = calledFrom + (calledUntil - calledFrom) * this.jitter;
    const turn = this.turnAfter(restMs / shakeIntervalMs, place);
    const waitMs = (turn + place - this.slots) * shakeIntervalMs;
    this.book.setTold(this.place, turn, waitMs);
    return waitMs;
  }

  private turnAfter(restSlots: number, place: number): number {
    const next = nextTurn(this.phase, Math.floor(this.slots), this.stretch);
    if (restSlots === 0) return next;
    const longest = Math.max(paceWaitMaxMs / this.event.shakeIntervalMs, 1 + calledUntil);
    const last = Math.floor((this.isDrawn ? Math.min(this.turn, this.slots) : this.slots) + longest - place);
    const rested = nextTurn(this.phase, Math.floor(this.slots + restSlots), this.stretch);
    return rested <= last ? rested : Math.max(next, latestTurn(this.phase, last, this.stretch));
  }

  /** Users whose next shake is awaited. */
  get activeUsers(): number {
    return this.book.activeUsers();
  }

  /** What the pace is set from; counts are since the last call. */
  takeLoad(): PacedLoad {
    const { earlyShakes, activeUsers } = this;
    const { shakeIntervalMs } = this.event;
    this.earlyShakes = 0;
    return {
      intervalMs: shakeIntervalMs,
      activeUsers,
      arrivedUsers: this.book.takeArrived(),
      earlyShakes,
      stretchMax: stretchMaxAt(shakeIntervalMs),
    };
  }
}
