import { describe, expect, it } from 'vitest';
import { type LineFigures, type LineLimits, LineShedder } from './line-shedder.ts';
import { type Line, type LineVisitor, newLine } from './parked-lines.ts';

const never = Number.POSITIVE_INFINITY;
const limits: LineLimits = {
  waitMaxMs: 200,
  firstReadShare: 0.25,
  calmMs: 100,
  againFromMs: 500,
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

/** A process whose connections that are read ask `perLineMs` each, and its shedder, step by step of 100 ms. */
class TestProcess {
  readonly lines = new Map<TestLine, LineVisitor>();
  readonly shedder: LineShedder<TestLine>;
  nowMs = 10_000;

  constructor(count: number, visitor: Partial<LineVisitor> = {}, own: Partial<LineLimits> = {}) {
    for (let no = 0; no < count; no++) this.lines.set(new TestLine(), { ...newLine(), no: 1, ...visitor });
    const proxies = [...this.lines.values()].filter(({ no }) => no < 0).length;
    let at = 0;
    // even, so that a part of the lines is that part exactly
    const evenly = (): number => (at++ % 100) / 100;
    this.shedder = new LineShedder(this.lines, { ...limits, ...own }, () => proxies, evenly);
  }

  /** `readWaitMs` long has waited what was read last; it began just before that. */
  step(figures: Partial<LineFigures>): void {
    this.nowMs += 100;
    const { readWaitMs = 0 } = figures;
    this.shedder.step({
      nowMs: this.nowMs,
      elapsedMs: 100,
      utilisation: 1,
      readWaitMs,
      readWaitSinceMs: this.nowMs - Math.min(readWaitMs, 99),
      overdueMs: 0,
      requests: 500,
      connections: 0,
      ...figures,
    });
    for (const [line] of this.lines) if (line.destroyed) this.lines.delete(line);
  }

  steps(count: number, figures: Partial<LineFigures>): void {
    for (let left = count; left > 0; left--) this.step(figures);
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
  it('are parked, all but a part, when requests wait for too long or the loop finds no end', () => {
    const process = new TestProcess(1000);
    process.step({ readWaitMs: 199 });
    expect(process.readCount).toBe(1000);
    process.step(late);
    expect([process.readCount, process.shedder.parkedCount, process.shedder.shed]).toEqual([250, 750, 0]);
    const other = new TestProcess(1000);
    other.step({ readWaitMs: 150, overdueMs: 250 });
    expect(other.readCount).toBe(250);
  });

  it.each([
    ['a wait that is borne', { readWaitMs: 199 }],
    ['others on the core', { ...late, utilisation: 0.5 }],
    ['hardly any requests', { ...late, requests: 10 }],
  ])('are all read: %s', (_, figures) => {
    const process = new TestProcess(100);
    process.steps(9, figures);
    expect([process.readCount, process.room]).toEqual([100, never]);
  });

  it('are spared when they carry others, or when somebody asked for more than shakes lately, where that counts', () => {
    const proxies = new TestProcess(100, { no: -1 });
    proxies.step(late);
    expect(proxies.readCount).toBe(100);
    const parkAfter = (own: Partial<LineLimits>, waitMs: number) => {
      const process = new TestProcess(1, {}, { firstReadShare: 0, ...own });
      process.shedder.keep([...process.lines.keys()][0]!, process.nowMs);
      process.nowMs += waitMs;
      process.step(late);
      return process.readCount;
    };
    expect([parkAfter({}, 0), parkAfter({}, 61_000), parkAfter({ sparesOthers: false }, 0)]).toEqual([1, 0, 0]);
    // those who are spared are among those who go on being read
    const process = new TestProcess(1000, {}, { firstReadShare: 0.5 });
    for (const line of [...process.lines.keys()].slice(0, 250)) process.shedder.keep(line, process.nowMs);
    process.step(late);
    expect(process.readCount).toBe(250 + 272);
  });

  // Proves that it is found out how many can be read: those who are read ask for so much that not all others can be.
  it('are brought back as soon as nobody waits, as many as can be answered', () => {
    const process = new TestProcess(1000);
    process.steps(50, { readWaitMs: 150 });
    process.step(late);
    expect(process.readCount).toBe(250);
    // half a request of each in a step, and 500 can be answered
    for (let step = 0; step < 12; step++) process.step({ requests: process.readCount / 2 });
    expect(process.readCount).toBeGreaterThan(900);
    expect(process.readCount).toBeLessThan(930);
    const most = new TestProcess(1000);
    most.steps(50, { readWaitMs: 150 });
    most.step(late);
    // one request of each
    for (let step = 0; step < 12; step++) most.step({ requests: most.readCount });
    expect(most.readCount).toBeGreaterThan(450);
    expect(most.readCount).toBeLessThan(470);
  });

  // Proves that a process that took itself for overloaded when it was only cold does not go by what little it did.
  it('are all brought back when there is time left', () => {
    const process = new TestProcess(1000);
    process.step({ ...late, requests: 60 });
    expect(process.readCount).toBe(250);
    process.steps(15, { requests: 10, utilisation: 0.2 });
    expect([process.readCount, process.shedder.shed]).toEqual([1000, 0]);
  });

  it('are not brought back because no request was read while they were parked', () => {
    const process = new TestProcess(1000);
    process.step(late);
    process.steps(3, { requests: 0, readWaitMs: 600 });
    expect(process.readCount).toBe(250);
  });

  it('are parked again when the wait grows, by as much as it grows', () => {
    const process = new TestProcess(1000, {}, { firstReadShare: 0.8 });
    process.step(late);
    process.steps(2, late);
    const before = process.readCount;
    // twice as much to do as can be done
    for (let step = 0; step < 4; step++) process.step({ readWaitMs: 400 + step * 100, readWaitSinceMs: process.nowMs });
    expect(process.readCount).toBeLessThan(before * 0.5);
    const falling = new TestProcess(1000, {}, { firstReadShare: 0.8 });
    falling.step({ readWaitMs: 2000 });
    for (let step = 0; step < 4; step++)
      falling.step({ readWaitMs: 1800 - step * 150, readWaitSinceMs: falling.nowMs });
    expect(falling.readCount).toBe(before);
  });

  // Proves that what began to wait before tells nothing of what was done since.
  it('are not parked twice for one wait', () => {
    const process = new TestProcess(1000);
    process.step(late);
    const atMs = process.nowMs;
    for (let step = 1; step < 9; step++) process.step({ readWaitMs: 300 + step * 100, readWaitSinceMs: atMs - 300 });
    expect(process.readCount).toBe(250);
  });

  it('are let go of when there is no time for them while they are there, and hung up on when there is', () => {
    const process = new TestProcess(1000);
    process.step(late);
    process.steps(20, { readWaitMs: 150 });
    expect([process.shedder.shed, process.shedder.parkedCount, process.lines.size]).toEqual([750, 0, 1000]);
    process.step({ utilisation: 0.5, requests: 100 });
    expect(process.lines.size).toBeLessThan(1000);
    process.steps(50, { utilisation: 0.1, requests: 100 });
    expect([process.lines.size, process.readCount]).toEqual([250, 250]);
  });

  // Proves that a process that is late takes care of those who are there first, and lets others in afterwards as it has time.
  it('are no more than there are while requests wait, unless a proxy stands between', () => {
    const process = new TestProcess(1000);
    process.step(late);
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
    const behind = new TestProcess(1000, { no: -1 });
    behind.steps(3, late);
    expect(behind.room).toBe(never);
    const money = new TestProcess(1000, {}, { waitMaxMs: never, calmMs: never });
    money.steps(3, { readWaitMs: 5000, overdueMs: 5000 });
    expect([money.readCount, money.room]).toEqual([1000, never]);
    // one that does little but accept connections whose clients have gone
    const accepting = new TestProcess(1000);
    accepting.step({ ...late, requests: 10, connections: 100 });
    expect(accepting.room).toBe(0);
  });
});
