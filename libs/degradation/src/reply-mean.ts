/** Steps of `admissionStepMs` that replies are averaged over: a second. */
const stepsCount = 10;
/** Fewer replies than this in that time tell nothing. */
const repliesMin = 50;

/** The mean time that replies took in the last second, as the level of a process wants it (`AdmissionFigures.replyMs`). */
export class ReplyMean {
  private readonly steps: { readonly count: number; readonly sumMs: number }[] = [];
  private count = 0;
  private sumMs = 0;

  /** So many replies came since the last step and took so long together. */
  add(sumMs: number, count = 1): void {
    this.count += count;
    this.sumMs += sumMs;
  }

  /** To be called each `admissionStepMs`: the mean by now; undefined while too few replies came to tell. */
  step(): number | undefined {
    this.steps.push({ count: this.count, sumMs: this.sumMs });
    this.count = 0;
    this.sumMs = 0;
    if (this.steps.length > stepsCount) this.steps.shift();
    const count = this.steps.reduce((sum, step) => sum + step.count, 0);
    if (count < repliesMin) return undefined;
    return this.steps.reduce((sum, step) => sum + step.sumMs, 0) / count;
  }
}
