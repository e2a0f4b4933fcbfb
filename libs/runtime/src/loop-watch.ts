import { performance } from 'node:perf_hooks';
import { type ProbeLook, ReadyProbe } from './ready-probe.ts';

/** A timer this often shows whether the event loop is late. */
const beatMs = 20;

export interface LoopFigures extends ProbeLook {
  readonly elapsedMs: number;
  /** Share of that time in which the event loop was busy, 0 to 1. */
  readonly utilisation: number;
  /** The longest that a timer was late in that time, or is overdue by now, or that anything ready waits by now. */
  readonly loopDelayMs: number;
}

/** Of a process that cannot connect to itself. */
const nothingSeen: ProbeLook = { readWaitMs: 0, ownSentAtMs: Number.NEGATIVE_INFINITY, readBefore: 0 };

/**
 * How this process's event loop is doing. `monitorEventLoopDelay` of Node tells of a delay only when it is over; who asks this one from
 * within a long turn of the loop learns how long it has lasted.
 */
export class LoopWatch {
  private timer: NodeJS.Timeout | undefined;
  private beatAtMs = 0;
  private takenAtMs = 0;
  private longestMs = 0;
  private busyBefore = performance.eventLoopUtilization();
  private probe: ReadyProbe | undefined;

  /** @param counted all requests that this process has read. */
  constructor(private readonly counted: () => number = () => 0) {}

  start(): void {
    this.beatAtMs = performance.now();
    this.takenAtMs = this.beatAtMs;
    this.busyBefore = performance.eventLoopUtilization();
    this.timer = setInterval(() => this.beat(), beatMs).unref();
    this.openProbe();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.probe?.close();
    this.probe = undefined;
  }

  /** How late the next beat is by now. */
  overdueMs(): number {
    return Math.max(performance.now() - this.beatAtMs - beatMs, 0);
  }

  /** The figures since the last call. */
  take(): LoopFigures {
    const nowMs = performance.now();
    const busy = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(busy, this.busyBefore);
    const look = this.probe?.look() ?? nothingSeen;
    const figures = {
      elapsedMs: nowMs - this.takenAtMs,
      utilisation: utilization,
      loopDelayMs: Math.max(this.longestMs, this.overdueMs(), look.readWaitMs),
      ...look,
    };
    this.probe?.send();
    this.busyBefore = busy;
    this.takenAtMs = nowMs;
    this.longestMs = 0;
    return figures;
  }

  /** Without it timers alone tell. */
  private openProbe(): void {
    ReadyProbe.open(this.counted).then(
      (probe) => {
        if (this.timer === undefined) probe.close();
        else this.probe = probe;
      },
      () => undefined,
    );
  }

  private beat(): void {
    this.longestMs = Math.max(this.longestMs, this.overdueMs());
    this.beatAtMs = performance.now();
    this.probe?.send();
  }
}
