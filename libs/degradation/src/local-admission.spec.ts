import { describe, expect, it } from 'vitest';
import {
  type AdmissionFigures,
  admissionStepMs,
  LocalAdmission,
  type ShedClass,
  shedOrder,
} from './local-admission.ts';

/** What a request costs the event loop, admitted and refused, in milliseconds. */
const costMs: Readonly<Record<ShedClass, { served: number; refused: number }>> = {
  extras: { served: 0.2, refused: 0.02 },
  reads: { served: 0.2, refused: 0.02 },
  shake: { served: 0.014, refused: 0.011 },
  share: { served: 0.1, refused: 0.02 },
  grab: { served: 0.25, refused: 0.02 },
  open: { served: 0.3, refused: 0.02 },
};
/** Whoever waits longer has gone. */
const patienceMs = 2000;

type Offered = Partial<Record<ShedClass, number>>;

interface Seen {
  readonly atMs: number;
  readonly level: number;
  readonly delayMs: number;
  /** Of the opens of this step, the share that was admitted. */
  readonly openShare: number;
}

/** A pseudo-random sequence in [0, 1), the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * A process with one event loop: what is asked waits in sockets, a turn of the loop answers all that waits, so its length is what the
 * next request waits. Clients obey nobody. `noise`: milliseconds that somebody else takes from it in a step.
 */
class SimulatedProcess {
  readonly admission = new LocalAdmission();
  readonly seen: Seen[] = [];
  private waitingMs = 0;
  private nowMs = 0;
  private readonly random = seeded(20_260_217);

  constructor(private readonly noiseMs: (random: () => number) => number = () => 0) {}

  run(durationMs: number, perSecond: Offered): Seen[] {
    const from = this.seen.length;
    for (const endMs = this.nowMs + durationMs; this.nowMs < endMs; ) this.step(perSecond);
    return this.seen.slice(from);
  }

  private step(perSecond: Offered): void {
    this.nowMs += admissionStepMs;
    const requests: Offered = {};
    let workMs = 0;
    for (const name of shedOrder) {
      const mean = ((perSecond[name] ?? 0) * admissionStepMs) / 1000;
      const came = Math.max(0, Math.round(mean + Math.sqrt(mean) * (this.random() * 2 - 1) * 1.7));
      requests[name] = came;
      const share = this.admission.shareOf(name);
      workMs += came * (share * costMs[name].served + (1 - share) * costMs[name].refused);
    }
    const noiseMs = this.noiseMs(this.random);
    const availableMs = Math.max(admissionStepMs - noiseMs, 0);
    const usedMs = Math.min(this.waitingMs + workMs, availableMs);
    this.waitingMs = Math.min(this.waitingMs + workMs - usedMs, patienceMs);
    const delayMs = this.waitingMs + noiseMs;
    const figures: AdmissionFigures = {
      elapsedMs: admissionStepMs,
      utilisation: Math.min(1, (usedMs + noiseMs) / admissionStepMs),
      loopDelayMs: delayMs,
      requests,
      inFlightShare: 0,
    };
    const openShare = this.admission.shareOf('open');
    this.admission.step(figures);
    this.seen.push({ atMs: this.nowMs, level: this.admission.level, delayMs, openShare });
  }
}

const beside = { open: 200, reads: 100, extras: 20 };
const peakOf = (seen: readonly Seen[]): number => Math.max(...seen.map(({ level }) => level));
const meanOf = (numbers: readonly number[]): number => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;

describe('a gateway under a flood of shakes', () => {
  it.each([1.5, 2, 3, 10])('that is %s times what it can answer yields within 300 ms, and opens never do', (factor) => {
    const process = new SimulatedProcess();
    expect(peakOf(process.run(5000, { ...beside, shake: 20_000 }))).toBe(0);
    const flood = process.run(10_000, { ...beside, shake: 65_000 * factor });
    const overloadedAtMs = flood.find(({ delayMs }) => delayMs >= 60)!.atMs;
    expect(flood.find(({ level }) => level > 0)!.atMs - overloadedAtMs).toBeLessThanOrEqual(300);
    expect(peakOf(flood)).toBe(2.5);
    expect(flood.every(({ openShare }) => openShare === 1)).toBe(true);
  });

  it('sheds extras and reads first, then shakes', () => {
    const process = new SimulatedProcess();
    const levels = process.run(3000, { ...beside, shake: 300_000 }).map(({ level }) => level);
    const risen = levels.filter((level, at) => level > (levels[at - 1] ?? 0));
    expect(risen).toEqual([...risen].sort((a, b) => a - b));
    expect(risen.find((level) => level > 2)! - 2).toBeLessThanOrEqual(0.25);
  });

  it('tells half of the users to rest, and leaves the others to the pace', () => {
    const process = new SimulatedProcess();
    expect(peakOf(process.run(10_000, { ...beside, shake: 200_000 }))).toBe(2.5);
    expect(process.admission.shareOf('shake')).toBe(0.5);
    expect(process.admission.shareOf('reads')).toBe(0);
    expect(process.admission.shareOf('share')).toBe(1);
  });

  it('comes back to nothing within ten seconds after the peak, gently and without going up again', () => {
    const process = new SimulatedProcess();
    process.run(10_000, { ...beside, shake: 300_000 });
    const after = process.run(10_000, { ...beside, shake: 20_000 });
    expect(after.at(-1)!.level).toBe(0);
    const steps = after.map(({ level }, at) => (after[at - 1]?.level ?? 2.5) - level);
    expect(Math.max(...steps)).toBeLessThanOrEqual(0.0501);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
  });
});

describe('a gateway for money', () => {
  it('keeps what it admits of three times as many opens as it can answer within a second', () => {
    const process = new SimulatedProcess();
    process.run(5000, { open: 1000, reads: 300, grab: 200 });
    const flood = process.run(30_000, { open: 9000, reads: 900, grab: 600 }).slice(50);
    expect(meanOf(flood.map(({ delayMs }) => delayMs))).toBeLessThan(1000);
    expect(Math.min(...flood.map(({ openShare }) => openShare))).toBeGreaterThanOrEqual(0.0999);
    // of 9000, about 2500 can be answered beside the refusals
    const share = meanOf(flood.map(({ openShare }) => openShare));
    expect(share).toBeGreaterThan(0.15);
    expect(share).toBeLessThan(0.4);
  });

  it('yields reads and grabs when they are the load, and no opens', () => {
    const process = new SimulatedProcess();
    const flood = process.run(10_000, { open: 300, reads: 2000, grab: 8000 });
    expect(peakOf(flood)).toBeGreaterThan(4);
    expect(flood.every(({ openShare }) => openShare === 1)).toBe(true);
  });
});

describe('what is no load to shed', () => {
  it('a machine whose other processes take most of its time trips nothing at a few hundred requests a second', () => {
    const stalls = (random: () => number): number => (random() < 0.3 ? 100 + random() * 400 : random() * 60);
    const process = new SimulatedProcess(stalls);
    expect(peakOf(process.run(60_000, { shake: 200, reads: 100, open: 100, grab: 20 }))).toBe(0);
  });

  it('a load of 88 %, as the pace leaves it, with pauses of 50 ms now and then, but for extras', () => {
    const pauses = (random: () => number): number => (random() < 0.1 ? 50 : 0);
    const process = new SimulatedProcess(pauses);
    expect(peakOf(process.run(60_000, { ...beside, shake: 52_000 }))).toBeLessThan(1);
  });

  it('one pause of a third of a second under load costs extras and reads a moment, nobody else', () => {
    let pause = 0;
    const process = new SimulatedProcess(() => pause);
    process.run(2000, { ...beside, shake: 40_000 });
    pause = 350;
    process.run(100, { ...beside, shake: 40_000 });
    pause = 0;
    expect(peakOf(process.run(5000, { ...beside, shake: 40_000 }))).toBeLessThan(3);
    expect(process.admission.level).toBe(0);
  });
});

describe('other signals', () => {
  const idle: AdmissionFigures = {
    elapsedMs: admissionStepMs,
    utilisation: 0.3,
    loopDelayMs: 0,
    requests: { shake: 500, open: 100 },
    inFlightShare: 0,
  };
  function levelAfter(steps: number, figures: Partial<AdmissionFigures>): number {
    const admission = new LocalAdmission();
    for (let step = 0; step < steps; step++) admission.step({ ...idle, ...figures });
    return admission.level;
  }

  it('opens under way beyond six tenths of what may be push as far as the shakes that bring them', () => {
    expect(levelAfter(100, { inFlightShare: 0.59 })).toBe(0);
    expect(levelAfter(3, { inFlightShare: 0.9 })).toBeGreaterThan(2);
    expect(levelAfter(100, { inFlightShare: 1 })).toBe(3);
  });

  it('slow replies push reads and extras away, and nothing else', () => {
    expect(levelAfter(100, { replyMs: 990 })).toBe(0);
    expect(levelAfter(100, { replyMs: 1400 })).toBe(2);
    expect(levelAfter(100, { replyMs: undefined })).toBe(0);
  });

  it('what holds one signal up does not hold what another had raised beyond it', () => {
    const admission = new LocalAdmission();
    for (let step = 0; step < 50; step++) admission.step({ ...idle, inFlightShare: 1 });
    for (let step = 0; step < 100; step++) admission.step({ ...idle, replyMs: 700 });
    expect(admission.level).toBeCloseTo(2, 1);
    for (let step = 0; step < 100; step++) admission.step(idle);
    expect(admission.level).toBe(0);
  });

  it('the level names whole classes and a part of one', () => {
    const admission = new LocalAdmission();
    for (let step = 0; step < 100; step++) admission.step({ ...idle, inFlightShare: 1 });
    const shares = shedOrder.map((name) => admission.shareOf(name));
    expect(shares).toEqual([0, 0, 0, 1, 1, 1]);
    expect(shedOrder).toEqual(['extras', 'reads', 'shake', 'share', 'grab', 'open']);
  });
});
