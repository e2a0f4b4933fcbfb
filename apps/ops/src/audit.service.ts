import { insertAuditEntry, type Pool } from '#libs/database';
import { type Logger, ProblemError } from '#libs/runtime';
import { throwDatabaseProblem } from './away.ts';
import type { Actor } from './ops-tokens.ts';

/** One act of an operator, as the audit log names it. */
export interface Act {
  readonly actor: Actor;
  /** What is done: `event.arm`. */
  readonly action: string;
  /** What it is done to: `event:12`. */
  readonly target: string;
  readonly reason: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** What is known after the act: `unknown` when no answer came, so that it may or may not have happened. */
type ActResult = 'done' | 'refused' | 'unknown';

/**
 * Acts that happen in another process are audited with two rows: one before the act is sent, so that nothing can happen that the
 * log does not know of, and one with its result, which names the first. An act that cannot be written down is not done.
 */
export class Audit {
  constructor(
    private readonly pool: Pool,
    private readonly log: Logger,
  ) {}

  /**
   * Writes down, does, writes down the result.
   * @param targetOf names the target by the result, for what has no id before.
   * @throws ProblemError `dependency_unavailable` when the act could not be written down and was not done; else what `work` throws.
   */
  async perform<T>(act: Act, work: () => Promise<T>, targetOf: (result: T) => string = () => act.target): Promise<T> {
    const requestId = await this.write({ ...act, detail: { phase: 'requested', ...act.detail } }).catch(
      throwDatabaseProblem,
    );
    try {
      const result = await work();
      await this.conclude({ ...act, target: targetOf(result) }, requestId, 'done');
      return result;
    } catch (error) {
      await this.conclude(act, requestId, resultOf(error), error instanceof ProblemError ? error.code : 'internal');
      throw error;
    }
  }

  /** The act stands, whether or not its result can be written down: the first row and the log of this process say so. */
  private async conclude(act: Act, requestId: bigint, result: ActResult, code?: string): Promise<void> {
    const detail = {
      phase: 'concluded',
      requestId: String(requestId),
      result,
      ...(code === undefined ? {} : { code }),
    };
    try {
      await this.write({ ...act, detail });
    } catch (error) {
      this.log.error({ err: error, action: act.action, ...detail }, 'the result of an act could not be audited');
    }
  }

  private write({ actor, action, target, reason, detail }: Act): Promise<bigint> {
    return insertAuditEntry(this.pool, { actor: actor.name, action, target, reason, detail: detail ?? {} });
  }
}

function resultOf(error: unknown): ActResult {
  return error instanceof ProblemError && error.code !== 'dependency_unavailable' ? 'refused' : 'unknown';
}
