/** What the suite `storm` measures with. */
export const sponsorCount = 8;
/** Released by the event, so won and opened. */
export const packetsPerSecond = 60;
export const shakeIntervalMs = 1000;

export interface StormSettings {
  /** Phones that shake at once, each about once in the interval. */
  readonly phones: number;
  /** In which the phones come. */
  readonly warmUpMs: number;
  /** Measured before anything happens. */
  readonly beforeMs: number;
  /** How long Redis is away. */
  readonly awayMs: number;
  /** Measured after it is back. */
  readonly afterMs: number;
  readonly outageRounds: number;
  /** Beside a share service that hangs: rounds, and how long each state is measured in one. */
  readonly besideRounds: number;
  readonly besideMs: number;
}

export const fullSettings: StormSettings = {
  phones: 500,
  warmUpMs: 15_000,
  beforeMs: 15_000,
  awayMs: 30_000,
  afterMs: 60_000,
  outageRounds: 2,
  besideRounds: 4,
  besideMs: 8000,
};

export const quickSettings: StormSettings = {
  ...fullSettings,
  warmUpMs: 8000,
  beforeMs: 8000,
  afterMs: 30_000,
  outageRounds: 1,
  besideRounds: 1,
  besideMs: 5000,
};
