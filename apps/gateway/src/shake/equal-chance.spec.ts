// Proves by a seeded simulation of a million shakes that all admitted shakes of the same moment have the same chance, on every
// gateway and for every kind of user, and that nobody gains by haste, by more connections or by what client state is shown.
import { describe, expect, it } from 'vitest';
import { addCrowd, nightEvent, nightStartsAtMs } from '../testing/night.ts';
import { creditedOf, type Phone, ShakeWorld, type Temper } from '../testing/shake-world.ts';

/** Chi-square quantiles at p = 1e-6, by degrees of freedom. */
const chiSquareMax: Readonly<Record<number, number>> = { 1: 23.93, 2: 27.63, 3: 30.66 };
/** One-sided normal quantile at p = 1e-6. */
const zMax = 4.75;
const strataMs = 1000;
/** A second or two of one core; more on a busy machine. */
const simulationMaxMs = 120_000;

/**
 * Draws and wins by group, in strata of one second and one sponsor: within a stratum every draw of a user who may win should have
 * the same chance, so that each group's expected wins are the stratum's wins by its part of the draws.
 */
class Comparison {
  private readonly draws: number[][] = [];
  private readonly wins: number[][] = [];

  constructor(
    private readonly groups: number,
    private readonly sponsors: number,
  ) {}

  add(phone: Phone, group: number, nowMs: number): void {
    for (let sponsor = 0; sponsor < this.sponsors; sponsor++) {
      const isHolder = phone.wins.some(({ sponsorId }) => sponsorId === `sponsor-${sponsor}`);
      if (!isHolder) this.count(this.draws, sponsor, group, nowMs);
    }
  }

  addWin(sponsorId: string, group: number, atMs: number): void {
    this.count(this.wins, Number(sponsorId.slice('sponsor-'.length)), group, atMs);
  }

  /** Sum of (wins − expected)² / expected over the groups: chi-square with one degree of freedom less than groups. */
  get chiSquare(): number {
    const { won, expected } = this.sums();
    return won.reduce((sum, wins, group) => sum + (wins - expected[group]!) ** 2 / expected[group]!, 0);
  }

  sums(): { won: number[]; expected: number[] } {
    const won = new Array<number>(this.groups).fill(0);
    const expected = new Array<number>(this.groups).fill(0);
    this.wins.forEach((wins, stratum) => {
      const draws = this.draws[stratum] ?? [];
      const [allWins, allDraws] = [sum(wins), sum(draws)];
      for (let group = 0; group < this.groups; group++) {
        won[group]! += wins[group]!;
        expected[group]! += (allWins * (draws[group] ?? 0)) / allDraws;
      }
    });
    return { won, expected };
  }

  private count(counts: number[][], sponsor: number, group: number, atMs: number): void {
    const stratum = Math.floor((atMs - nightStartsAtMs) / strataMs) * this.sponsors + sponsor;
    counts[stratum] ??= new Array<number>(this.groups).fill(0);
    counts[stratum][group]! += 1;
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

const tempers: readonly Temper[] = [{ name: 'prompt' }, { name: 'slow', delayMs: 2000 }];
const wishes = [
  { packetCount: 4000 },
  { packetCount: 1500, releaseCurve: 'burst' as const },
  { packetCount: 40, releaseCurve: 'front' as const },
];

/** A night of 30 s in which half as many come to the crowd of `phones` in the middle, and what came of it. */
async function night(shares: readonly number[], phones: number, seed: number) {
  const durationMs = 20_000;
  const world = await ShakeWorld.of({
    startsAtMs: nightStartsAtMs,
    events: [nightEvent(wishes, durationMs)],
    gateways: shares.length,
    seed,
  });
  const byGateway = new Comparison(shares.length, wishes.length);
  const byTemper = new Comparison(tempers.length, wishes.length);
  let shakes = 0;
  world.onShake = (phone, gateway, nowMs) => {
    shakes += 1;
    byGateway.add(phone, gateway, nowMs);
    byTemper.add(phone, tempers.indexOf(phone.temper), nowMs);
  };
  for (const temper of tempers) addCrowd(world, phones / 2, { temper, shares });
  await world.pass(nightStartsAtMs + 12_000);
  for (const temper of tempers) addCrowd(world, phones / 4, { temper, shares });
  await world.pass(nightStartsAtMs + 30_000);
  for (const { sponsorId, gateway, atMs, phone } of world.wins) {
    byGateway.addWin(sponsorId, gateway, atMs);
    byTemper.addWin(sponsorId, tempers.indexOf(phone.temper), atMs);
  }
  return { world, shakes, byGateway, byTemper };
}

describe('the chance of a shake', () => {
  it.each([
    { shares: [1], phones: 12_000, seed: 11 },
    { shares: [0.85, 0.15], phones: 12_000, seed: 12 },
    { shares: [0.7, 0.2, 0.08, 0.02], phones: 14_000, seed: 13 },
  ])(
    'is the same over gateways with $shares of the load, for prompt and slow users',
    async ({ shares, phones, seed }) => {
      const { world, shakes, byGateway, byTemper } = await night(shares, phones, seed);
      // over a million in the three nights
      expect(shakes).toBeGreaterThan(250_000);
      expect(world.wins.length).toBeGreaterThan(5000);
      if (shares.length > 1) expect(byGateway.chiSquare).toBeLessThan(chiSquareMax[shares.length - 1]!);
      expect(byTemper.chiSquare).toBeLessThan(chiSquareMax[1]!);
    },
  );
});

describe('a user', () => {
  it(
    'gains nothing by haste, by shaking at every gateway, by withholding or replaying client state',
    async () => {
      const shares = [0.7, 0.2, 0.08, 0.02];
      const perUserMax = 3;
      const world = await ShakeWorld.of({
        startsAtMs: nightStartsAtMs,
        events: [
          nightEvent(
            [{ packetCount: 2500 }, { packetCount: 2500 }, { packetCount: 1500, releaseCurve: 'burst' }],
            25_000,
            {
              perUserMax,
            },
          ),
        ],
        gateways: shares.length,
        seed: 21,
      });
      const cheats: readonly Temper[] = [
        { name: 'hasty', haste: 5 },
        { name: 'twice', haste: 2 },
        { name: 'everywhere', isEverywhere: true },
        { name: 'forgetful', state: 'none' },
        { name: 'replaying', state: 'first', isEverywhere: true },
        { name: 'all-at-once', haste: 5, isEverywhere: true, state: 'none' },
      ];
      const prompt: Temper = { name: 'prompt' };
      addCrowd(world, 6000, { temper: prompt, shares });
      for (const temper of cheats) addCrowd(world, 500, { temper, shares });
      await world.pass(nightStartsAtMs + 32_000);
      const credited = (temper: Temper) =>
        world.phones.filter((phone) => phone.temper === temper).map((phone) => creditedOf(phone, perUserMax));
      const honest = meanOf(credited(prompt));
      for (const temper of cheats) {
        const cheat = meanOf(credited(temper));
        const z = (cheat.mean - honest.mean) / Math.sqrt(cheat.error ** 2 + honest.error ** 2);
        expect(z, temper.name).toBeLessThan(zMax);
      }
    },
    simulationMaxMs,
  );
});

/** Mean and its standard error. */
function meanOf(values: readonly number[]): { mean: number; error: number } {
  const mean = sum(values) / values.length;
  const variance = sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
  return { mean, error: Math.sqrt(variance / values.length) };
}
