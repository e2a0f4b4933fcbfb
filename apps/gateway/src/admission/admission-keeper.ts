import type { Socket } from 'node:net';
import type { LocalAdmission, ReplyMean } from '#libs/degradation';
import type { LoopWatch } from '#libs/runtime';
import type { Doorkeeper } from '../abuse/doorkeeper.ts';
import type { FrontDoor } from '../front-door.ts';
import type { OpenCounters } from '../open/open-counters.ts';
import type { StoreTime } from '../process/store-time.ts';
import type { ShakeCounters } from '../shake/shake-counters.ts';
import type { LineShedder } from './line-shedder.ts';
import type { RequestGate } from './request-gate.ts';

export interface AdmissionKeeperParts {
  /** False: the level stays at 0. */
  readonly isOn: boolean;
  readonly admission: Pick<LocalAdmission, 'step' | 'level'>;
  readonly watch: Pick<LoopWatch, 'take'>;
  readonly gate: RequestGate;
  readonly shakes: ShakeCounters;
  readonly opens: OpenCounters;
  readonly opensInFlightMax: number;
  /** What opens took until they were answered. */
  readonly replyTimes: Pick<ReplyMean, 'step'>;
  readonly time: Pick<StoreTime, 'approxMs'>;
  readonly lines: Pick<LineShedder<Socket>, 'step' | 'connectionsMax'>;
  readonly door: Pick<FrontDoor, 'limitConnections'>;
  readonly doorkeeper: Pick<Doorkeeper, 'enteredCount'>;
}

/** Feeds the level with what this process measures. */
export class AdmissionKeeper {
  private before: Record<string, number> = {};
  private enteredBefore = 0;
  /** Store-clock milliseconds since which this process has stepped back; undefined: it has not. */
  sinceMs: number | undefined;

  constructor(private readonly parts: AdmissionKeeperParts) {}

  /** Each `admissionStepMs`. */
  step(): void {
    const { isOn, admission, watch, replyTimes, opens, opensInFlightMax, time, lines, door } = this.parts;
    if (!isOn) return;
    const loop = watch.take();
    const requests = this.takeRequests();
    admission.step({
      ...loop,
      requests,
      inFlightShare: opens.inFlight / opensInFlightMax,
      replyMs: replyTimes.step(),
    });
    const all = Object.values(requests).reduce((sum, count) => sum + count, 0);
    lines.step({ ...loop, requests: all, connections: this.takeConnections(), nowMs: performance.now() });
    door.limitConnections(lines.connectionsMax);
    if (admission.level === 0) this.sinceMs = undefined;
    else this.sinceMs ??= time.approxMs();
  }

  private takeConnections(): number {
    const { enteredCount } = this.parts.doorkeeper;
    const since = enteredCount - this.enteredBefore;
    this.enteredBefore = enteredCount;
    return since;
  }

  private takeRequests(): Record<string, number> {
    const { gate, shakes } = this.parts;
    const totals: Record<string, number> = { ...gate.came, shake: gate.came.shake + shakes.total() };
    const since = Object.entries(totals).map(([name, total]) => [name, total - (this.before[name] ?? 0)]);
    this.before = totals;
    return Object.fromEntries(since);
  }
}
