import type { Session } from './session.ts';

/**
 * Verified sessions by their Authorization header, in two generations: when the young one is full the old one is dropped. What is
 * used survives, what is not leaves, and a hit costs one look-up, where a list by last use would write on each.
 */
export class SessionCache {
  private young = new Map<string, Session>();
  private old = new Map<string, Session>();

  /** @param sessionsMax most sessions kept; at least half of them are the latest used. */
  constructor(private readonly sessionsMax: number) {}

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** The session of a header, or undefined when it is not kept or its time is past at `nowMs` (this machine's clock). */
  get(authorization: string, nowMs: number): Session | undefined {
    const session = this.young.get(authorization) ?? this.promote(authorization);
    return session !== undefined && session.cachedUntilMs > nowMs ? session : undefined;
  }

  set(authorization: string, session: Session): void {
    if (this.young.size >= this.sessionsMax / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(authorization, session);
    this.old.delete(authorization);
  }

  private promote(authorization: string): Session | undefined {
    const session = this.old.get(authorization);
    if (session !== undefined) this.set(authorization, session);
    return session;
  }
}
