import { setTimeout as delay } from 'node:timers/promises';
import { isRetryable } from '../../errors.ts';
import type { Pool } from '../../pool.ts';
import { type Fault, Gone, Task } from './task.ts';

export interface StageOptions {
  /** For the operations. */
  readonly pool: Pool;
  /** To look at them. */
  readonly observer: Pool;
  readonly onCommitted: () => Promise<void>;
  readonly altered?: (text: string) => string;
}

/** Operations under way at the same time. */
export const tasksMax = 4;
/** A statement that takes longer may be waiting for a lock: then it is asked. */
const patienceMs = 3;
const looksMax = 10_000;

/** The processes that work on one database, of which at any time all but one stand still. */
export class Stage {
  /** How often an operation had to wait for another one's lock. */
  waits = 0;
  private tasks: Task[] = [];

  constructor(private readonly options: StageOptions) {}

  get underWay(): readonly Task[] {
    return this.tasks;
  }

  /** The one to go on with when too many are under way: one that is held, for the others may be waiting for its locks. */
  next(): Task {
    return this.tasks.find(({ state }) => state === 'held') ?? this.tasks[0]!;
  }

  /** Runs an operation until it ends, is held, or waits for a lock of another one. @throws what it found wrong. */
  async run(name: string, faults: readonly Fault[], work: (task: Task) => Promise<void>): Promise<Task> {
    const { pool, onCommitted, altered = (text: string) => text } = this.options;
    const task = new Task(name, faults, { pool, onCommitted, altered, terminate: (pid) => this.terminate(pid) });
    this.tasks.push(task);
    task.start(work);
    await this.quiesce();
    return task;
  }

  async resume(task: Task): Promise<void> {
    task.resume();
    await this.quiesce();
  }

  async kill(task: Task): Promise<void> {
    await task.kill();
    await this.quiesce();
  }

  /** Lets every operation come to its end. */
  async drain(): Promise<void> {
    while (this.tasks.length > 0) {
      for (const task of [...this.tasks]) await this.resume(task);
    }
  }

  /** Ends every operation, whatever it does: for a run that failed. */
  async clear(): Promise<void> {
    for (const task of this.tasks) {
      await task.kill();
      while (task.state !== 'ended') {
        task.resume();
        await Promise.race([task.whenChanged(), delay(patienceMs)]);
      }
    }
    this.tasks = [];
  }

  /** Until everything stands still. What had to wait, and no longer does, goes on one after the other. */
  private async quiesce(): Promise<void> {
    for (;;) {
      for (const task of this.tasks) await this.untilStill(task);
      this.bury();
      const parked = this.tasks.find(({ state }) => state === 'parked');
      if (parked === undefined) return;
      parked.resume();
    }
  }

  private async untilStill(task: Task): Promise<void> {
    while (task.state === 'running') {
      if (!task.isWaiting) await Promise.race([task.whenChanged(), delay(patienceMs)]);
      if (task.state !== 'running') return;
      if (await this.isBlocked(task)) {
        task.markWaiting();
        this.waits += 1;
        return;
      }
      if (task.isWaiting) await Promise.race([task.whenChanged(), delay(1)]);
    }
  }

  private bury(): void {
    const ended = this.tasks.filter(({ state }) => state === 'ended');
    this.tasks = this.tasks.filter(({ state }) => state !== 'ended');
    for (const { error } of ended) {
      if (error !== undefined && !(error instanceof Gone) && !isRetryable(error)) throw error;
    }
  }

  private async isBlocked({ pid }: Task): Promise<boolean> {
    if (pid === undefined) return false;
    const { rows } = await this.options.observer.query<{ blocked: boolean }>(
      'SELECT cardinality(pg_blocking_pids($1)) > 0 AS blocked',
      [pid],
    );
    return rows[0]!.blocked;
  }

  /** PostgreSQL's own wait looks only ten times a second. */
  private async terminate(pid: number): Promise<void> {
    const { observer } = this.options;
    await observer.query('SELECT pg_terminate_backend($1)', [pid]);
    for (let look = 0; look < looksMax; look++) {
      const { rowCount } = await observer.query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid]);
      if (rowCount === 0) return;
      await delay(1);
    }
    throw new Error(`the session of backend ${pid} does not end`);
  }
}
