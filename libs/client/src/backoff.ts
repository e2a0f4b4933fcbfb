export interface BackoffOptions {
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly retryAfterMaxMs: number;
}

/**
 * Milliseconds before the repetition `attempt` (1 = the first): exponential backoff with full jitter (AWS Architecture Blog,
 * "Exponential Backoff And Jitter"), on top of what the server asked for, so that those it told the same do not return at once.
 */
export function backoffMs(
  options: BackoffOptions,
  attempt: number,
  retryAfterMs: number | undefined,
  random: () => number,
): number {
  const ceilingMs = Math.min(options.backoffMaxMs, options.backoffBaseMs * 2 ** Math.min(attempt, 30));
  return Math.min(retryAfterMs ?? 0, options.retryAfterMaxMs) + random() * ceilingMs;
}

/** Milliseconds before poll `polls` (1 = the first): what the server asked for, growing slowly to `pollMaxMs`, spread ±50 %. */
export function pollDelayMs(
  options: { readonly pollMinMs: number; readonly pollMaxMs: number },
  polls: number,
  pollAfterMs: number,
  random: () => number,
): number {
  const askedMs = Math.max(options.pollMinMs, pollAfterMs);
  const grownMs = Math.min(askedMs * 1.25 ** Math.min(polls - 1, 60), Math.max(askedMs, options.pollMaxMs));
  return grownMs * (0.5 + random());
}
