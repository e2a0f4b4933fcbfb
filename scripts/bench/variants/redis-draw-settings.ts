export interface RedisDrawSettings {
  /** Of a shake to win: kept in Redis, as somebody would who steers it. */
  readonly chance: number;
  /** What an event-loop turn has for Redis goes there in one write; otherwise each script is written by itself. */
  readonly isPipelined: boolean;
}
