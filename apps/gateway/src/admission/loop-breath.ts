import type { LoopWatch } from '#libs/runtime';

/** How often it is looked whether timers are due and do not come. */
export const breathCheckMs = 25;
/** Timers may be late by this: a turn of a paced gateway is shorter. */
const lateMaxMs = 50;
/** Whoever listens to nothing is not disturbed by it: a signal that is ignored unless asked for. */
const signal = 'SIGURG';

/**
 * Sees to it that timers come in their turn while more requests are waiting than can be answered. An event loop that finds 1024 sockets
 * ready looks for more before it comes to its timers, up to 48 times: jobs of the lanes, deadlines and the replies' ends would wait for
 * seconds. A signal to itself ends that (libuv cycles after a signal), after the requests that were there already.
 */
export class LoopBreath {
  /** Signals given. */
  given = 0;
  private isAsked = false;
  private readonly onSignal = (): void => {
    this.isAsked = false;
  };

  constructor(
    private readonly watch: Pick<LoopWatch, 'overdueMs'>,
    private readonly give: () => void = () => process.kill(process.pid, signal),
  ) {}

  start(): void {
    process.on(signal, this.onSignal);
  }

  stop(): void {
    process.off(signal, this.onSignal);
  }

  /** To be called from timers and from the hot path. */
  check(): void {
    if (this.isAsked || this.watch.overdueMs() < lateMaxMs) return;
    this.isAsked = true;
    this.given += 1;
    this.give();
  }
}
