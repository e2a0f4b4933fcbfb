import type { Problem } from '#libs/contracts';

/** The server refused with a problem document that is no expected outcome of the call. */
export class HongbaoProblemError extends Error {
  override readonly name = 'HongbaoProblemError';
  readonly problem: Problem;

  constructor(request: string, problem: Problem) {
    super(`${request}: ${problem.status} ${problem.code}: ${problem.detail}`);
    this.problem = problem;
  }

  get code(): Problem['code'] {
    return this.problem.code;
  }
}

/** No readable answer came in the time allowed: what was asked may or may not have been done. */
export class HongbaoLostError extends Error {
  override readonly name = 'HongbaoLostError';
}

/** An answer came that the contract does not know. */
export class HongbaoAnswerError extends Error {
  override readonly name = 'HongbaoAnswerError';
}

/** The caller's signal ended the call. */
export class HongbaoAbortedError extends Error {
  override readonly name = 'HongbaoAbortedError';
}

/** The client was used in a way it does not support. */
export class HongbaoUsageError extends Error {
  override readonly name = 'HongbaoUsageError';
}
