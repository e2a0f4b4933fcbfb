import pg from 'pg';
import { Breaker, type BreakerOptions, type BreakerState, type Permit } from '#libs/isolation';

/** `code` of the error below, for whoever sees it through other layers. */
export const poolRefusedCode = 'POOL_REFUSED';

/** No connection was waited for: too many wait already, or the database could not be reached again and again. */
class PoolRefusedError extends Error {
  override readonly name = 'PoolRefusedError';
  readonly code = poolRefusedCode;
}

export interface PoolGuard {
  readonly waitersMax: number;
  readonly breaker: BreakerOptions | undefined;
}

type ConnectCallback = Parameters<pg.Pool['connect']>[0];
type Done = Parameters<ConnectCallback>[2];

const neverReleased: Done = () => undefined;
/** A pool that is merely busy lets some of its callers wait in vain: it opens when most of them do, and not for long. */
const breakerDefaults = { callsWatched: 32, failuresMax: 24, openFirstMs: 250, openMaxMs: 1000, probesToClose: 4 };

/** A pool in whose queue only so many may stand, and, with a breaker, nobody while it leads nowhere. */
export class GuardedPool extends pg.Pool {
  private readonly breaker: Breaker | undefined;

  constructor(
    config: pg.PoolConfig,
    private readonly guard: PoolGuard,
  ) {
    super(config);
    if (guard.breaker !== undefined) this.breaker = new Breaker({ ...breakerDefaults, ...guard.breaker });
  }

  /** `closed` for a pool without a breaker. */
  get breakerState(): BreakerState {
    return this.breaker?.state ?? 'closed';
  }

  /** @throws PoolRefusedError (rejects with, or is called back with), and as pg's own. */
  override connect(): Promise<pg.PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | undefined {
    const entry = this.enter();
    if (callback === undefined) return this.connected(entry);
    if (entry instanceof Error) process.nextTick(callback, entry, undefined, neverReleased);
    else {
      super.connect((error, client, done) => {
        entry(error ? 'failed' : 'ok');
        callback(error, client, done);
      });
    }
    return undefined;
  }

  private async connected(entry: Permit | Error): Promise<pg.PoolClient> {
    if (entry instanceof Error) throw entry;
    try {
      const client = await super.connect();
      entry('ok');
      return client;
    } catch (error) {
      entry('failed');
      throw error;
    }
  }

  private enter(): Permit | Error {
    if (this.waitingCount >= this.guard.waitersMax)
      return new PoolRefusedError(`over ${this.guard.waitersMax} wait for a connection to the database`);
    if (this.breaker === undefined) return untold;
    return this.breaker.enter() ?? new PoolRefusedError('the database could not be reached of late');
  }
}

const untold: Permit = () => undefined;
