import type { Pool, PoolClient } from '../../pool.ts';

/**
 * What happens before, or to, the step `at` of an operation (a statement, or a call to the store; counted from 0):
 *
 *   hold  it waits, and goes on when it is told to
 *   end   its connection and its process end
 *   lose  it is done, and then connection and process end: nobody hears the answer
 *   cut   its connection ends, its process goes on with what needs none
 */
export interface Fault {
  readonly at: number;
  readonly how: 'hold' | 'end' | 'lose' | 'cut';
}

/** The process is gone. */
export class Gone extends Error {
  override readonly name = 'Gone';
}

export interface TaskServices {
  readonly pool: Pool;
  /** Ends the session of that backend and waits until it is gone. */
  terminate(pid: number): Promise<void>;
  /** Told after each commit that changed something, before anything else goes on. */
  onCommitted(): Promise<void>;
  /** Puts a defect into a statement, to see that it is found. */
  altered(text: string): string;
}

type Effect = () => unknown;

/**
 * One operation of one process, on one real connection, statement by statement. It stands still where a fault says so, and after every
 * statement that had to wait for another task: so of all tasks at most one gets to its commit at a time, and the model knows in
 * which order things were committed.
 */
export class Task {
  state: 'running' | 'held' | 'parked' | 'ended' = 'running';
  error: unknown;
  private connection: { readonly pid: number; readonly ended: Promise<void> } | undefined;
  private steps = 0;
  private isGone = false;
  private hasWaited = false;
  private effect: Effect | undefined;
  private wake: () => void = () => undefined;
  private changed = gate();

  constructor(
    readonly name: string,
    private readonly faults: readonly Fault[],
    private readonly services: TaskServices,
  ) {}

  start(work: (task: Task) => Promise<void>): void {
    const end = (error?: unknown) => {
      this.error = error;
      this.enter('ended');
    };
    work(this).then(() => end(), end);
  }

  /** Resolves at the next change of state. */
  whenChanged(): Promise<void> {
    return this.changed.opened;
  }

  /** Lets a task go on that is held or parked. */
  resume(): void {
    if (this.state !== 'held' && this.state !== 'parked') return;
    // at once: whoever looks next must not take it for standing still
    this.enter('running');
    this.wake();
  }

  get pid(): number | undefined {
    return this.connection?.pid;
  }

  get isWaiting(): boolean {
    return this.hasWaited;
  }

  /** It had to wait for another one: it stops before its next step. */
  markWaiting(): void {
    this.hasWaited = true;
  }

  async kill(): Promise<void> {
    this.isGone = true;
    await this.cut();
    this.resume();
  }

  /** What the model does at the instant at which the next transaction of this task is committed. */
  atCommit(effect: Effect): void {
    this.effect = effect;
  }

  /** A call to the store, or to nobody. */
  async step<T>(action: () => T | Promise<T>): Promise<T> {
    const fault = this.faults.find(({ at }) => at === this.steps);
    this.steps += 1;
    this.assertAlive();
    if (this.hasWaited) await this.pause('parked');
    if (fault?.how === 'hold') await this.pause('held');
    if (fault?.how === 'end') await this.kill();
    if (fault?.how === 'cut') await this.cut();
    this.assertAlive();
    const value = await action();
    if (fault?.how === 'lose') await this.kill();
    this.assertAlive();
    return value;
  }

  /** A connection whose statements are steps of this task; released when `work` is done. */
  async withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.connect();
    try {
      return await work(client);
    } finally {
      client.release(client.getTransactionStatus() !== 'I');
    }
  }

  /** For `withStockerLock`, which connects by itself. */
  asPool(): Pool {
    return { connect: () => this.connect() } as unknown as Pool;
  }

  private async connect(): Promise<PoolClient> {
    const client = await this.services.pool.connect();
    const ended = gate();
    client.once('end', ended.open);
    const { processID: pid } = client as unknown as { processID: number };
    this.connection = { pid, ended: ended.opened };
    const query = (sql: string | { readonly text: string }, values?: unknown[]) =>
      this.step(() => this.run(client, sql, values));
    const release = (isBroken?: boolean) => {
      client.removeListener('end', ended.open);
      ended.open();
      // none: it was cut, and must not go back to the pool, whether the client knows of it already or not
      client.release(isBroken === true || this.connection === undefined);
      this.connection = undefined;
    };
    return Object.create(client, { query: { value: query }, release: { value: release } }) as PoolClient;
  }

  private async run(client: PoolClient, sql: string | { readonly text: string }, values: unknown[] | undefined) {
    const result =
      typeof sql === 'string'
        ? await client.query(this.services.altered(sql), values)
        : await client.query({ ...sql, text: this.services.altered(sql.text) });
    if (sql === 'COMMIT' && result.command === 'COMMIT') {
      const { effect } = this;
      this.effect = undefined;
      effect?.();
      await this.services.onCommitted();
    }
    return result;
  }

  /** Until both sides know: the pool gives the connection to nobody else. */
  private async cut(): Promise<void> {
    const { connection } = this;
    this.connection = undefined;
    if (connection !== undefined) await Promise.all([this.services.terminate(connection.pid), connection.ended]);
  }

  private assertAlive(): void {
    if (this.isGone) throw new Gone(`${this.name} is gone`);
  }

  private async pause(state: 'held' | 'parked'): Promise<void> {
    this.hasWaited = false;
    const { opened, open } = gate();
    this.wake = open;
    this.enter(state);
    await opened;
    this.assertAlive();
  }

  private enter(state: Task['state']): void {
    this.state = state;
    const { changed } = this;
    this.changed = gate();
    changed.open();
  }
}

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
