import { admissionStepMs, LocalAdmission, ofEachClass, type ReplyMean, type ShedClass } from '#libs/degradation';
import { LoopWatch } from '#libs/runtime';

export interface ShareAdmissionParts {
  /** False: the level stays at 0. */
  readonly isOn: boolean;
  /** Grabs under way, of as many as may be; not those that wait in slow lanes, perhaps on purpose. */
  readonly inFlightShare: () => number;
  /** What grabs took from their arrival to their outcome. */
  readonly replies: Pick<ReplyMean, 'step'>;
}

/** How far this process has stepped back by itself: the same level as in the gateways (libs/degradation, LocalAdmission). */
export class ShareAdmission {
  /** Totals since the start. */
  readonly refused = ofEachClass(0);
  readonly local = new LocalAdmission();
  private readonly watch = new LoopWatch();
  private came = ofEachClass(0);
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: ShareAdmissionParts) {}

  start(): void {
    if (!this.parts.isOn) return;
    this.watch.start();
    this.timer = setInterval(() => this.step(), admissionStepMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.watch.stop();
  }

  /** Whether a request of this class is answered; `priority`: of its user in this minute, in [0, 1). */
  admits(importance: ShedClass, priority: number): boolean {
    this.came[importance] += 1;
    if (priority < this.local.shareOf(importance)) return true;
    this.refused[importance] += 1;
    return false;
  }

  private step(): void {
    const requests = this.came;
    this.came = ofEachClass(0);
    const { inFlightShare, replies } = this.parts;
    this.local.step({
      ...this.watch.take(),
      requests,
      inFlightShare: inFlightShare(),
      replyMs: replies.step(),
    });
  }
}
