/** What the suite `opens` measures with; the quick variant is for development. */
export interface OpensSettings {
  readonly rateRounds: number;
  readonly warmUpSeconds: number;
  readonly measureSeconds: number;
  readonly latencyRounds: number;
  readonly latencySeconds: number;
  readonly sqlRounds: number;
  readonly sqlUsers: number;
  readonly fullRounds: number;
  /** Grants in the full ledger, unless `--grants` says otherwise. */
  readonly grants: number;
  readonly rebuildRounds: number;
  readonly reconcileGrants: number;
  readonly reconcileRounds: number;
}

export const fullSettings: OpensSettings = {
  rateRounds: 3,
  warmUpSeconds: 3,
  measureSeconds: 8,
  latencyRounds: 3,
  latencySeconds: 8,
  sqlRounds: 2,
  sqlUsers: 30_000,
  fullRounds: 2,
  grants: 10_000_000,
  rebuildRounds: 3,
  reconcileGrants: 1_000_000,
  reconcileRounds: 3,
};

export const quickSettings: OpensSettings = {
  ...fullSettings,
  rateRounds: 1,
  warmUpSeconds: 2,
  measureSeconds: 4,
  latencyRounds: 1,
  latencySeconds: 4,
  sqlRounds: 1,
  sqlUsers: 10_000,
  fullRounds: 1,
  grants: 500_000,
  rebuildRounds: 1,
  reconcileGrants: 200_000,
  reconcileRounds: 1,
};

/** Phones that wait for their answer at once in the closed loop. */
export const connections = 1024;
/** Of the open loop: more than are ever under way at once while the system keeps up. */
export const openConnections = 2048;
/** More opens than come in a second on any machine that this is run on: so many are signed beforehand. */
export const opensPerSecondMax = 16_000;
/** At this rate the latency is measured when the part `rate` was not. */
export const ratePerSecondAssumed = 6000;
