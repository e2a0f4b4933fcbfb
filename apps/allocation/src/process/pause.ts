import { setTimeout as sleep } from 'node:timers/promises';

/** Waits `ms`, or less when `signal` fires: then it resolves too, and the caller looks at the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
}
