import { HongbaoAbortedError, HongbaoAnswerError, HongbaoProblemError } from '#libs/client';
import type { Meters } from './meters.ts';
import { isPassingError } from './patience.ts';

/** Defects quoted in the report; the rest is counted. */
const defectsMax = 50;

/** Runs what users do side by side, knows when all of it is done, and sorts what goes wrong. */
export class Tasks {
  /** Answers that no user should ever get, and faults of the rehearsal itself. */
  readonly defects: string[] = [];
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly meters: Meters) {}

  run(name: string, work: () => Promise<void>): void {
    const task: Promise<void> = work()
      .catch((error: unknown) => this.sort(name, error))
      .finally(() => this.running.delete(task));
    this.running.add(task);
  }

  get count(): number {
    return this.running.size;
  }

  /** Resolves when everything is done, also what was started meanwhile. */
  async drained(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  /** A call that was given up under load or in an outage is part of the night; anything unexpected is a defect. */
  private sort(name: string, error: unknown): void {
    if (error instanceof HongbaoAbortedError) return;
    if (isPassingError(error)) {
      this.meters.counters.add(`given up.${name}`);
      return;
    }
    this.meters.counters.add(`defect.${name}`);
    if (this.defects.length >= defectsMax) return;
    const isAnswer = error instanceof HongbaoProblemError || error instanceof HongbaoAnswerError;
    this.defects.push(`${name}: ${isAnswer || !(error instanceof Error) ? String(error) : error.stack}`);
  }
}
