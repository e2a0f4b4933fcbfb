/*
 * What to do about an error of the database, by SQLSTATE (PostgreSQL, appendix A), system error code or Prisma code.
 *
 *   away       the database cannot be reached or cannot take work now       wait, then repeat
 *   conflict   the statement lost against another transaction or a timeout  repeat
 *   blocked    of these two, what may be due to this very statement's rows  repeat, but not for ever
 *              or size: a lock or the statement took too long, no memory    bisect, then the job backs off
 *   data       this data can never be stored                                bisect, dead letter (invariant 9)
 *   other      a fault of program or schema                                 bisect, tell somebody, and wait
 */

import { poolRefusedCode } from './guarded-pool.ts';

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** Connection exceptions, insufficient resources, operator intervention (but cancelled statements), system errors. */
const awayClasses = ['08', '53', '57P', '58'];
/** A server that has become a standby refuses writes: the next connection may reach the new primary. */
const awayStates = new Set(['25006', 'P1001', 'P1002', 'P1008', 'P1017', 'P2024', poolRefusedCode]);

/** Serialisation failure, deadlock, lock not available, statement timeout or cancel, transaction kept idle too long. */
const conflictStates = new Set(['40001', '40P01', '55P03', '57014', '25P03', 'P2034']);

/** Lock not available, statement timeout or cancel, out of memory. */
const blockedStates = new Set(['55P03', '57014', '53200']);

/** Errors that pg and pg-pool make without a code. */
const awayMessages = [
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Query read timeout',
  'Client has encountered a connection error',
  'Client was closed and is not queryable',
];

/** How deep `cause` is followed. */
const causesMax = 5;

/** True when the database cannot be reached, is starting or stopping, or is out of connections or space. */
export function isDatabaseAway(error: unknown): boolean {
  return someCause(error, isAway);
}

/** True when repeating the same call is right: the database is away, or the call lost against another one. */
export function isRetryable(error: unknown): boolean {
  return someCause(error, (cause) => isAway(cause) || conflictStates.has(codeOf(cause)));
}

/**
 * True for those retryable errors that may come from what the call itself touches, and last: a row that somebody keeps locked, a
 * statement too large for its time or for memory. Repeated unchanged it may fail for ever, while a part of it would succeed.
 */
export function isBlocked(error: unknown): boolean {
  return someCause(error, (cause) => blockedStates.has(codeOf(cause)));
}

/** True when the data itself is refused (SQLSTATE classes 22 and 23): it never succeeds, however often it is tried. */
export function isDataError(error: unknown): boolean {
  return someCause(error, (cause) => /^2[23][0-9A-Z]{3}$/.test(codeOf(cause)));
}

function isAway(error: object): boolean {
  const code = codeOf(error);
  if (networkCodes.has(code) || awayStates.has(code)) return true;
  if (code.length === 5 && awayClasses.some((start) => code.startsWith(start))) return true;
  return error instanceof Error && awayMessages.some((start) => error.message.startsWith(start));
}

function codeOf(error: object): string {
  if ('code' in error && typeof error.code === 'string') return error.code;
  // a Prisma driver adapter's error keeps the SQLSTATE here
  if ('originalCode' in error && typeof error.originalCode === 'string') return error.originalCode;
  return '';
}

function someCause(error: unknown, test: (cause: object) => boolean): boolean {
  let cause = error;
  for (let depth = 0; depth < causesMax && typeof cause === 'object' && cause !== null; depth++) {
    if (test(cause)) return true;
    cause = 'cause' in cause ? cause.cause : undefined;
  }
  return false;
}
