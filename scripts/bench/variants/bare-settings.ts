/** The gateway's own, which it names in each answer. */
export const keepAliveTimeoutMs = 65_000;

export interface BareSettings {
  /** Bodies of misses as a gateway gave them. */
  readonly misses: readonly string[];
  /** Body of a hit. */
  readonly hit: string;
  /** Every so many answers is a hit. */
  readonly hitEvery: number;
}
