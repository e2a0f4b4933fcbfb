/** The gateway reads at most this many state tokens of one client (libs/domain). */
export const shakeStatesMax = 4;

/**
 * The signed state tokens of one event, newest last. The state in an answer contains what was sent with the request, so it
 * replaces exactly that: a token that came in between, by an answer to another request, survives.
 */
export class ShakeStates {
  private tokens: readonly string[] = [];

  /** What to send now; hand the same list to `replace` with the answer. */
  current(): readonly string[] {
    return this.tokens;
  }

  /** Beyond the limit the oldest goes: the gateway then knows of one packet less, and the open itself decides. */
  replace(sent: readonly string[], token: string): void {
    const kept = this.tokens.filter((one) => one !== token && !sent.includes(one));
    this.tokens = [...kept, token].slice(-shakeStatesMax);
  }
}
