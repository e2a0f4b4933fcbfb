/** What the suite `shakes` measures with; the quick variant is for development. */
export interface ShakesSettings {
  /** Rounds in which everybody is measured once. */
  readonly rounds: number;
  readonly warmUpSeconds: number;
  /** Of runs with stock: until what gateways take and give is even. */
  readonly stockWarmUpSeconds: number;
  readonly measureSeconds: number;
  readonly users: number;
  /** Users of the memory measurement. */
  readonly manyUsers: number;
  readonly coldRounds: number;
  readonly costRounds: number;
  readonly latencyRounds: number;
  readonly latencySeconds: number;
  readonly commandsSeconds: number;
  readonly paceFullSeconds: number;
  readonly paceThinSeconds: number;
}

export const fullSettings: ShakesSettings = {
  rounds: 5,
  warmUpSeconds: 1,
  stockWarmUpSeconds: 2,
  measureSeconds: 3,
  users: 50_000,
  manyUsers: 1_000_000,
  coldRounds: 3,
  costRounds: 3,
  latencyRounds: 5,
  latencySeconds: 3,
  commandsSeconds: 5,
  paceFullSeconds: 16,
  paceThinSeconds: 8,
};

export const quickSettings: ShakesSettings = {
  ...fullSettings,
  rounds: 2,
  measureSeconds: 2,
  manyUsers: 100_000,
  coldRounds: 1,
  costRounds: 1,
  latencyRounds: 1,
  latencySeconds: 2,
  commandsSeconds: 2,
  paceFullSeconds: 10,
  paceThinSeconds: 5,
};

/** Connections of the closed loop: so many that a server always has requests while others are in the driver's hands. */
export const connections = 256;
/** Connections of the open loops: more than are ever under way at once while the server keeps up. */
export const openConnections = 512;
/** One shake in a hundred wins. */
export const hitShare = 0.01;
/** What the share of hits may be off by, of itself. */
export const hitShareTolerance = { ofOneRun: 0.7, ofAll: 0.35 } as const;
/**
 * With this interval nobody is paced (a turn may not be more than 10 s away), and a crowd that shakes in all events, one after the other,
 * comes back to each of them later than that, however fast it is answered: 50 000 users in 8 events at 100 000 shakes/s. So every shake
 * is drawn, none is a repeated or an early one.
 */
export const shakeIntervalMs = 4000;
export const perUserMax = 4;
/** Winners come back for their next packet after this, so that a run is not about users who hold something. */
export const ticketTtlMs = 10_000;
/** Events of the suite: those of the mix, those that are never stocked, the one where everybody wins, the paced one. */
export const eventIds = {
  mix: [1, 2, 3, 4, 5, 6, 7, 8],
  misses: [11, 12, 13, 14, 15, 16, 17, 18],
  hits: [21, 22, 23, 24],
  pace: [31],
} as const;
/** Users who come for the first time in one cold run: more than can come in it. */
export const coldUsers = 200_000;
