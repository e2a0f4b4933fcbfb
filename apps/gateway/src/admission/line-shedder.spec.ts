import { describe, expect, it } from 'vitest';
import { type Line, type LineFigures, LineShedder, type LineVisitor, newLine } from './line-shedder.ts';

const waitMaxMs = 800;
const limits = { waitMaxMs, comeMaxMs: 250 };
const never = Number.POSITIVE_INFINITY;

class TestLine implements Line {
  isRead = true;
  destroyed = false;

  pause(): this {
    this.isRead = false;
    return this;
  }

  destroy(): this {
    this.destroyed = true;
    return this;
  }
}

function linesOf(count: number, visitor: Partial<LineVisitor> = {}): Map<TestLine, LineVisitor> {
  return new Map(Array.from({ length: count }, () => [new TestLine(), { ...newLine(), no: 1, ...visitor }]));
}

/** Even, so that a part of the lines is that part exactly. */
function evenly(): () => number {
  let at = 0;
  return () => (at++ % 100) / 100;
}

const late: LineFigures = {
  nowMs: 1000,
  elapsedMs: 100,
  utilisation: 1,
  loopDelayMs: 1200,
  requests: 500,
  connections: 0,
};
const readOf = (lines: ReadonlyMap<TestLine, LineVisitor>) => [...lines.keys()].filter(({ isRead }) => isRead).length;

function stepped(lines: Map<TestLine, LineVisitor>, ...figures: LineFigures[]): LineShedder<TestLine> {
  const proxies = [...lines.values()].filter(({ no }) => no < 0).length;
  const shedder = new LineShedder(lines, limits, () => proxies, evenly());
  for (const each of figures) shedder.step(each);
  return shedder;
}

describe('connections of a process that is asked for too much', () => {
  it('are let go of, half of them at least, when requests wait too long', () => {
    const lines = linesOf(1000);
    // 600 ms are aimed at
    expect(stepped(lines, late).shed).toBe(500);
    expect(readOf(lines)).toBe(500);
    expect(stepped(linesOf(1000), { ...late, loopDelayMs: 2000 }).shed).toBe(700);
    expect(stepped(linesOf(1000), { ...late, loopDelayMs: 60_000 }).shed).toBe(800);
  });

  it.each([
    ['a wait that is borne', Array.from({ length: 9 }, () => ({ ...late, loopDelayMs: waitMaxMs }))],
    ['others on the core', Array.from({ length: 9 }, () => ({ ...late, utilisation: 0.5 }))],
    ['hardly any requests', Array.from({ length: 9 }, () => ({ ...late, requests: 10 }))],
  ])('are all kept: %s', (_, figures) => expect(stepped(linesOf(100), ...figures).shed).toBe(0));

  it('are kept when they carry others, or when somebody asked for more than shakes lately', () => {
    const proxies = linesOf(100, { no: -1 });
    expect(stepped(proxies, late).shed).toBe(0);
    const lines = linesOf(1);
    const [line] = lines.keys();
    const shedder = new LineShedder(lines, limits, undefined, () => 0);
    shedder.keep(line!, 900);
    shedder.step(late);
    expect(line!.isRead).toBe(true);
    shedder.step({ ...late, nowMs: 61_000 });
    expect(line!.isRead).toBe(false);
  });

  // Proves that nobody takes the places of those who were let go of before there is time for a new connection, and that then there is.
  it('come back as there is room', () => {
    const lines = linesOf(1000);
    const shedder = stepped(lines);
    const step = (figures: LineFigures): void => {
      shedder.step(figures);
      for (const [line] of lines) if (line.destroyed) lines.delete(line);
    };
    step(late);
    expect(shedder.connectionsMax).toBe(Number.POSITIVE_INFINITY);
    const behind = { ...late, loopDelayMs: 300 };
    step(behind);
    // 500 that are read, 500 that are not, less the 50 that were hung up on
    expect(shedder.connectionsMax).toBe(950);
    step({ ...late, loopDelayMs: 200 });
    expect(shedder.connectionsMax).toBe(925);
    const hungUpBy = 25;
    step({ ...late, utilisation: 0.95, loopDelayMs: 100 });
    // a tenth of the requests, and what 5 ms of idle time allow
    const room = 0.1 * late.requests + 17;
    expect(shedder.connectionsMax).toBe(925 - hungUpBy + room);
    for (let steps = 0; steps < 100; steps++) step({ ...late, loopDelayMs: 0, utilisation: 0.1 });
    expect(shedder.connectionsMax).toBe(Number.POSITIVE_INFINITY);
  });

  // Proves that a process that is late takes care of those who are there first, unless a proxy stands between.
  it('are no more than there are while requests wait', () => {
    const behind = { ...late, utilisation: 0.95, loopDelayMs: 300 };
    const maxOf = (lines: Map<TestLine, LineVisitor>, ...figures: LineFigures[]) =>
      stepped(lines, ...figures).connectionsMax;
    expect(maxOf(linesOf(1000), behind)).toBe(Number.POSITIVE_INFINITY);
    expect(maxOf(linesOf(1000), behind, behind)).toBe(1000);
    const others = { ...behind, utilisation: 0.5 };
    const soon = { ...behind, loopDelayMs: 200 };
    for (const figures of [others, soon])
      expect(maxOf(linesOf(1000), figures, figures, figures)).toBe(Number.POSITIVE_INFINITY);
    expect(maxOf(linesOf(1000, { no: -1 }), late, late, late)).toBe(Number.POSITIVE_INFINITY);
    const accepting = { ...behind, requests: 10, connections: 100 };
    expect(maxOf(linesOf(1000), accepting, accepting)).toBe(1000);
    const money = new LineShedder(linesOf(1000), { waitMaxMs: never, comeMaxMs: never });
    for (let step = 0; step < 3; step++) money.step({ ...late, loopDelayMs: 5000 });
    expect(money.connectionsMax).toBe(Number.POSITIVE_INFINITY);
    // a neighbour on the core keeps nobody out for ever
    const lines = linesOf(1000);
    const shedder = stepped(lines, behind, behind);
    for (let step = 0; step < 100; step++) shedder.step({ ...others, loopDelayMs: 5000 });
    expect(shedder.connectionsMax).toBe(Number.POSITIVE_INFINITY);
  });

  // Proves that hanging up takes no more than its part of the time, and that in the end all who were let go of are hung up on.
  it('are hung up on as there is time', () => {
    const lines = linesOf(300);
    const shedder = stepped(lines, late);
    const hungUp = () => [...lines.keys()].filter(({ destroyed }) => destroyed).length;
    expect(hungUp()).toBe(25);
    shedder.step({ ...late, loopDelayMs: 0 });
    expect(hungUp()).toBe(50);
    for (let step = 0; step < 2; step++) shedder.step({ ...late, loopDelayMs: 0, utilisation: 0.1 });
    expect(hungUp()).toBe(150);
    expect([...lines.keys()].every(({ isRead, destroyed }) => isRead !== destroyed)).toBe(true);
  });
});
