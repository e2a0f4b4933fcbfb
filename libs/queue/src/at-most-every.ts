/** `act`, but not again within `intervalMs` of the last time: for log lines that could come thousands a second. */
export function atMostEvery<Args extends unknown[]>(
  intervalMs: number,
  act: (...args: Args) => void,
): (...args: Args) => void {
  let nextAt = Number.NEGATIVE_INFINITY;
  return (...args) => {
    const now = performance.now();
    if (now < nextAt) return;
    nextAt = now + intervalMs;
    act(...args);
  };
}
