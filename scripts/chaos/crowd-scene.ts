import { HongbaoAbortedError } from '#libs/client';
import { isPassingError } from '../rehearse/patience.ts';
import type { Recorder } from './recorder.ts';
import type { RoundPlan } from './round-plan.ts';

/** Who can be sent a share. */
export interface Friend {
  grab(shareToken: string): Promise<void>;
}

/** What all users of a round share. */
export interface CrowdScene {
  readonly plan: RoundPlan;
  readonly eventId: string;
  /** Start and end of the event, end of its shares: this machine's clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly sharesEndMs: number;
  readonly gatewayUrls: readonly string[];
  /** After so long a phone asks again. */
  readonly requestTimeoutMs: number;
  readonly recorder: Recorder;
  readonly tasks: Tasks;
  /** Aborted when nothing may be waited for any longer. */
  readonly signal: AbortSignal;
  readonly friends: (count: number, except: Friend) => Friend[];
}

/** Runs what users do side by side and sorts what goes wrong. */
export class Tasks {
  /** What the SDK threw and no outage explains. */
  readonly defects: string[] = [];
  private readonly running = new Set<Promise<void>>();

  run(name: string, work: () => Promise<void>): void {
    const task: Promise<void> = work()
      .catch((error: unknown) => this.failed(name, error))
      .finally(() => this.running.delete(task));
    this.running.add(task);
  }

  failed(name: string, error: unknown): void {
    if (error instanceof HongbaoAbortedError || isPassingError(error)) return;
    this.defects.push(`${name}: ${error instanceof Error ? `${error.stack} ${String(error.cause ?? '')}` : error}`);
  }

  get count(): number {
    return this.running.size;
  }

  async drained(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
