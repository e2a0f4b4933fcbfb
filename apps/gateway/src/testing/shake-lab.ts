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
import { periodOf, tickMs } from '../shake/shake-rate.ts';
import { testRing, testTicketKey } from './test-event.ts';

const userHashKey = userHashKeyOf(testTicketKey);
/** As if the lists held so much more, so that nobody need be lucky. */
const plenty = 1_000_000;
/** Periods of which a lab without other gateways knows everything: enough to know that nobody shook. */
const periodsKnown = 4;

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
  readonly time: StoreTime;
  readonly events: ShakeEvents;
  readonly book: EventBook;
  /** What `shakes` does now. */
  mode: FeatureMode = 'full';
  /** False: no fresh sample of the store's clock. */
  isClockFresh = true;
  private readonly shakes: ShakeService;
  private readonly stocked = new Set<number>();

  private constructor(
    public nowMs: number,
    public snapshots: EventSnapshot[],
  ) {
    this.time = new StoreTime({ nowMs: () => (this.isClockFresh ? this.nowMs : undefined) });
    const admission = new ShakeAdmission({ modeOf: () => this.mode });
    this.book = new EventBook({ read: async () => this.snapshots }, createLogger('test', 'silent'));
    this.events = new ShakeEvents(this.book, this.time, testTicketKey, admission);
    this.shakes = new ShakeService({ ring: testRing, time: this.time, admission, counters: this.counters });
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
      this.tick();
    }
  }

  tick(): void {
    this.events.tick();
    this.tell(periodOf(this.nowMs) - 1, []);
  }

  /** Puts blocks in the hand of the one gateway there is, and has it believe that there are plenty more. */
  stock(...blocks: StockedBlock[]): void {
    for (const { poolId } of blocks) this.stocked.add(poolId);
    const ended = periodOf(this.nowMs) - 1;
    for (let period = ended - periodsKnown + 1; period <= ended; period++) this.tell(period, []);
    this.tell(ended, blocks);
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

  /** What a visit to the stock would bring to a gateway alone. */
  private tell(period: number, blocks: readonly StockedBlock[]): void {
    const poolIds = [...this.stocked];
    if (poolIds.length === 0) return;
    const figures = poolIds.map((poolId) => [poolId, this.figuresOf(poolId, period)] as const);
    this.events.take(
      {
        answer: {
          status: 'ok',
          storeMs: this.nowMs,
          blocks: new Map(poolIds.map((poolId) => [poolId, blocks.filter((block) => block.poolId === poolId)])),
          listed: new Map(poolIds.map((poolId) => [poolId, plenty])),
          totals: { period, gateways: 1, pools: new Map(figures) },
        },
        reported: { period, shakes: new Map(figures.map(([poolId, { shakes }]) => [poolId, shakes])) },
        gateways: 1,
      },
      this.nowMs,
    );
  }

  private figuresOf(poolId: number, period: number): { shakes: number; left: number; listed: number } {
    for (const { event, rate, stock } of this.events.list()) {
      const pool = event.pools.get(poolId);
      if (pool !== undefined)
        return { shakes: rate.inPeriodWithout(period, pool.sponsorNo), left: stock.leftOf(poolId), listed: plenty };
    }
    return { shakes: 0, left: 0, listed: plenty };
  }
}
