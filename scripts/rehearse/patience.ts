import { deviceClock, HongbaoLostError, HongbaoProblemError } from '#libs/client';

/** Longer than any process of the system needs to come back. */
const patienceMs = 120_000;
const pauseMs = 500;

/** The server was away or had no room for longer than the SDK pursued the call. */
export function isPassingError(error: unknown): boolean {
  if (error instanceof HongbaoProblemError) return error.problem.retryAfterMs !== undefined;
  return error instanceof HongbaoLostError;
}

/** Repeats what the SDK gave up through a longer outage. @throws the last error, or at once one that will not pass. */
export async function insist<T>(act: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const giveUpAtMs = Date.now() + patienceMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!isPassingError(error) || Date.now() > giveUpAtMs || signal?.aborted) throw error;
      await deviceClock.sleep(pauseMs, signal);
    }
  }
}
