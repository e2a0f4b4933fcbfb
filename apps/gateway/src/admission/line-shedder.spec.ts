import { describe, expect, it } from 'vitest';
import { type LineFigures, type LineLimits, LineShedder } from './line-shedder.ts';
import { type Line, type LineVisitor, newLine } from './parked-lines.ts';

const never = Number.POSITIVE_INFINITY;
const limits: LineLimits = {
  waitMaxMs: 200,
  leastReadMs: 20,
  calmMs: 100,
  calmWithinMs: 2000,
  sparesOthers: true,
};

class TestLine implements Line {
  isRead = true;
  destroyed = false;

  pause(): this {
    this.isRead = false;
    return this;
  }

  resume(): this {
    this.isRead = true;
    return this;
  }

  destroy(): this {
    this.destroyed = true;
    return this;
  }
}

/** Requests in a step, 100 ms: as many as it can answer. */
const most = 500;

/** A process and its shedder, step by step. */
class TestProcess {
  readonly lines = new Map<TestLine, LineVisitor>();
  readonly shedder: LineShedder<TestLine>;
  nowMs = 10_000;
  private readBefore = 0;

  constructor(count: number, visitor: Partial<LineVisitor> = {}, own: Partial<LineLimits> = {}) {
    for (let no = 0; no < count; no++) this.lines.set(new TestLine(), { ...newLine(), no: 1, ...visitor });
    const proxies = [...this.lines.values()].filter(({ no }) => no < 0).length;
    let at = 0;
    // even, so that a part of the lines is that part exactly
    const evenly = (): number => (at++ % 100) / 100;
    this.shedder = new LineShedder(this.lines, { ...limits, ...own }, () => proxies, evenly);
  }

  /** The last of its own requests has just been read, after `readWaitMs`. */
  step(figures: Partial<LineFigures>): void {
    this.nowMs += 100;
    const { readWaitMs = 0, requests = most } = figures;
    this.readBefore += requests;
    const sinceMs = this.nowMs - readWaitMs;
    this.shedder.step({
      nowMs: this.nowMs,
      elapsedMs: 100,
      utilisation: 1,
      readWaitMs,
      ownSentAtMs: sinceMs,
      readBefore: this.readBefore,
      requests,
      connections: 0,
      ...figures,
    });
    for (const [line] of this.lines) if (line.destroyed) this.lines.delete(line);
  }

  steps(count: number, figures: Partial<LineFigures>): void {
    for (let left = count; left > 0; left--) this.step(figures);
  }

  /** It is known what it can answer. */
  warm(): this {
    this.steps(40, { readWaitMs: 50 });
    return this;
  }

  /** `times` as many ask as can be answered, until some have been parked or for as many steps. */
  flood(times: number, steps = 20): this {
    let readWaitMs = 50;
    const before = this.shedder.parkedCount;
    for (let step = 0; step < steps && this.shedder.parkedCount === before; step++) {
      readWaitMs += 100 * (1 - 1 / times);
      this.step({ readWaitMs });
    }
    return this;
  }

  get readCount(): number {
    return [...this.lines.keys()].filter(({ isRead }) => isRead).length;
  }

  /** New connections that may come in. */
  get room(): number {
    return this.shedder.connectionsMax - this.lines.size;
  }
}

const late = { readWaitMs: 300 };

describe('connections of a process that is asked for too much', () => {
  // Proves that it is found out how many can be read from how many ask.
  it.each([
    [1.25, 0.7, 0.9],
    [2, 0.45, 0.68],
    [4, 0.22, 0.45],
  ])('are parked when %s times as many ask as can be answered, all but those who can', (times, least, share) => {
    const process = new TestProcess(1000).warm().flood(times, 30);
    expect(process.readCount / 1000).toBeGreaterThan(least);
    expect(process.readCount / 1000).toBeLessThan(share);
    expect([process.shedder.parkedCount, process.shedder.shed]).toEqual([1000 - process.readCount, 0]);
  });

  // Proves that those are left who cannot make anybody wait too long, whatever they ask for.
  it('are read as many as can be answered in a while, however many ask', () => {
    const process = new TestProcess(1000, {}, { leastReadMs: 100 }).warm().flood(6).flood(6);
    expect(process.readCount).toBeGreaterThanOrEqual(480);
    expect(process.readCount).toBeLessThan(520);
  });

  it.each([
    ['a wait that is borne', { readWaitMs: 199 }],
    ['others on the core', { ...late, utilisation: 0.5 }],
    ['hardly any requests', { ...late, requests: 10 }],
  ])('are all read: %s', (_, figures) => {
    const process = new TestProcess(100).warm();
    process.steps(9, figures);
    expect([process.readCount, process.room]).toEqual([100, never]);
  });

  // Proves that a pause of the process is none of the clients' doing: as many come as before.
  it('are all read when the process paused', () => {
    const process = new TestProcess(1000).warm();
    process.steps(10, { readWaitMs: 50, requests: 450 });
    process.nowMs += 400;
    process.step({ readWaitMs: 450, elapsedMs: 500, requests: 50 });
    for (const readWaitMs of [430, 410, 390, 370, 350]) process.step({ readWaitMs });
    expect(process.readCount).toBe(1000);
  });

  it('are spared when they carry others, or when somebody asked for more than shakes lately, where that counts', () => {
    const proxies = new TestProcess(100, { no: -1 }).warm().flood(4);
    expect(proxies.readCount).toBe(100);
    const parkAfter = (own: Partial<LineLimits>, waitMs: number) => {
      const process = new TestProcess(100, {}, { leastReadMs: 0, ...own }).warm();
      for (const line of process.lines.keys()) process.shedder.keep(line, process.nowMs);
      process.nowMs += waitMs;
      return process.flood(4).readCount === 100;
    };
    expect([parkAfter({}, 0), parkAfter({}, 16_000), parkAfter({ sparesOthers: false }, 0)]).toEqual([
      true,
      false,
      false,
    ]);
    // those who are spared are among those who go on being read
    const process = new TestProcess(1000).warm();
    for (const line of [...process.lines.keys()].slice(0, 250)) process.shedder.keep(line, process.nowMs);
    expect(process.flood(2).readCount).toBeLessThan(700);
    expect([...process.lines.keys()].slice(0, 250).every(({ isRead }) => isRead)).toBe(true);
  });

  it('are brought back as soon as the wait is over, as many as can be answered', () => {
    const process = new TestProcess(1000).warm().flood(2);
    expect(process.readCount).toBeLessThan(700);
    // half a request of each in a step: all would ask for what can be answered
    for (let step = 0; step < 15; step++) process.step({ requests: process.readCount / 2 });
    expect(process.readCount).toBeGreaterThan(900);
    const other = new TestProcess(1000).warm().flood(4);
    // one request of each
    for (let step = 0; step < 15; step++) other.step({ requests: other.readCount });
    expect(other.readCount).toBeGreaterThan(440);
    expect(other.readCount).toBeLessThan(500);
  });

  // Proves that a process that took itself for overloaded when it was only cold does not go by what little it did.
  it('are all brought back when there is time left', () => {
    const process = new TestProcess(1000).warm().flood(4);
    expect(process.readCount).toBeLessThan(450);
    process.steps(15, { requests: 10, utilisation: 0.2 });
    expect([process.readCount, process.shedder.shed]).toEqual([1000, 0]);
  });

  it('are not brought back because no request was read while they were parked', () => {
    const process = new TestProcess(1000).warm().flood(4);
    const { readCount } = process;
    process.steps(3, { requests: 0, readWaitMs: 600 });
    expect(process.readCount).toBeLessThanOrEqual(readCount);
  });

  // Proves that a wait that began before is not taken for one that came of those who are read now.
  it('are not parked twice for one wait', () => {
    const process = new TestProcess(1000).warm().flood(2);
    const { readCount } = process;
    // those who asked before are answered: it takes a while
    for (let step = 1; step < 9; step++) process.step({ readWaitMs: 250, requests: most });
    expect(process.readCount).toBeGreaterThan(readCount * 0.85);
  });

  it('are let go of when there is no time for them while they are there, and hung up on as time goes by', () => {
    const process = new TestProcess(1000).warm().flood(4);
    const { readCount } = process;
    process.steps(20, { readWaitMs: 150 });
    expect([process.shedder.shed, process.shedder.parkedCount, process.lines.size]).toEqual([
      1000 - readCount,
      0,
      1000,
    ]);
    process.step({ utilisation: 0.5, requests: 100 });
    expect(process.lines.size).toBeLessThan(1000);
    process.steps(80, { utilisation: 0.1, requests: 100 });
    expect([process.lines.size, process.readCount]).toEqual([readCount, readCount]);
  });

  // Proves that a process that is late takes care of those who are there first, and lets others in afterwards as it has time.
  it('are no more than there are while requests wait, unless a proxy stands between', () => {
    const process = new TestProcess(1000).warm().flood(4);
    expect(process.room).toBe(0);
    process.steps(20, { readWaitMs: 150 });
    expect(process.room).toBe(0);
    process.step({ utilisation: 0.8 });
    const { room } = process;
    expect(room).toBeGreaterThan(0);
    process.step({ utilisation: 0.8, connections: room });
    expect(process.room).toBeLessThan(2 * room);
    process.steps(200, { utilisation: 0.1, requests: 100 });
    expect(process.room).toBe(never);
    const behind = new TestProcess(1000, { no: -1 }).warm();
    behind.steps(3, late);
    expect(behind.room).toBe(never);
    const money = new TestProcess(1000, {}, { waitMaxMs: never, calmMs: never }).warm();
    money.steps(3, { readWaitMs: 5000 });
    expect([money.readCount, money.room]).toEqual([1000, never]);
    // one that does little but accept connections whose clients have gone
    const accepting = new TestProcess(1000).warm();
    accepting.steps(2, { ...late, requests: 10, connections: 100 });
    expect(accepting.room).toBe(0);
  });
});
