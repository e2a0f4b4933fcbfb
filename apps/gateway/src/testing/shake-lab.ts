/** The draw of one gateway over a clock that a test turns, without HTTP and Redis: for pure tests. */
import type { EventSnapshot, ShakeAnswer, StockedBlock } from '#libs/contracts';
import type { FeatureMode } from '#libs/degradation';
import { userHashKeyOf, userHashOf } from '#libs/domain';
import { createLogger } from '#libs/runtime';
import { EventBook } from '../events/event-book.ts';
import { StoreTime } from '../process/store-time.ts';
import { newShakePace, type Session } from '../sessions/session.ts';
import { ShakeService } from '../shake/shake.service.ts';
import { ShakeAdmission } from '../shake/shake-admission.ts';
import { ShakeCounters } from '../shake/shake-counters.ts';
import { ShakeEvents } from '../shake/shake-events.ts';
import { tickMs } from '../shake/shake-rate.ts';
import { testRing, testTicketKey } from './test-event.ts';

const userHashKey = userHashKeyOf(testTicketKey);

export function testSession(userId: string): Session {
  return {
    userId,
    user: userHashOf(userHashKey, userId),
    cachedUntilMs: Number.MAX_SAFE_INTEGER,
    pace: newShakePace(),
  };
}

export class ShakeLab {
  readonly counters = new ShakeCounters();
  readonly events: ShakeEvents;
  readonly book: EventBook;
  /** What `shakes` does now. */
  mode: FeatureMode = 'full';
  /** False: no fresh sample of the store's clock. */
  isClockFresh = true;
  private readonly shakes: ShakeService;

  private constructor(
    public nowMs: number,
    public snapshots: EventSnapshot[],
  ) {
    const time = new StoreTime({ nowMs: () => (this.isClockFresh ? this.nowMs : undefined) });
    const admission = new ShakeAdmission({ modeOf: () => this.mode });
    this.book = new EventBook({ read: async () => this.snapshots }, createLogger('test', 'silent'));
    this.events = new ShakeEvents(this.book, time, testTicketKey, admission);
    this.shakes = new ShakeService({ ring: testRing, time, admission, counters: this.counters });
  }

  static async of(nowMs: number, ...snapshots: EventSnapshot[]): Promise<ShakeLab> {
    const lab = new ShakeLab(nowMs, snapshots);
    await lab.book.poll();
    lab.events.tick();
    return lab;
  }

  /** Lets time pass in ticks, as the timers would. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs) {
      this.nowMs = Math.min(this.nowMs + tickMs, untilMs);
      this.events.tick();
    }
  }

  stock(...blocks: StockedBlock[]): void {
    this.events.add(blocks, this.nowMs);
  }

  shake(session: Session, eventId = 1, state?: string): ShakeAnswer {
    return JSON.parse(this.verdict(session, eventId, state).answer.body);
  }

  verdict(session: Session, eventId = 1, state?: string) {
    return this.shakes.shake(session, this.events.find(String(eventId))!, state);
  }

  /** Shakes in slot after slot until the answer is another than `miss`, at most `shakesMax` times. */
  shakeOn(session: Session, shakesMax: number, state?: string): ShakeAnswer {
    for (let shakes = 1; ; shakes++) {
      const answer = this.shake(session, 1, state);
      if (answer.result !== 'miss' || shakes === shakesMax) return answer;
      this.pass(answer.nextShakeMs);
    }
  }
}
