/** Time as the client sees it; injectable so that tests need not wait. */
export interface ClientClock {
  /** Milliseconds since the epoch, by this device. */
  nowMs(): number;
  /** Resolves after `ms` milliseconds, not sooner, or as soon as `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Longest delay a timer can hold. */
const timerMaxMs = 2 ** 31 - 1;

export const deviceClock: ClientClock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      // a timer drops fractions, and may fire up to a millisecond early by the clock
      const timer = setTimeout(done, ms > 0 ? Math.min(Math.ceil(ms) + 1, timerMaxMs) : 0);
      signal?.addEventListener('abort', done, { once: true });
    }),
};
