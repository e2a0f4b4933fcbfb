import { describe, expect, it } from 'vitest';
import { type Line, type LineFigures, LineShedder, type LineVisitor, newLine } from './line-shedder.ts';

const waitMaxMs = 800;

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

const late: LineFigures = { nowMs: 1000, elapsedMs: 100, utilisation: 1, loopDelayMs: 1200, requests: 500 };
const readOf = (lines: ReadonlyMap<TestLine, LineVisitor>) => [...lines.keys()].filter(({ isRead }) => isRead).length;

function stepped(lines: Map<TestLine, LineVisitor>, ...figures: LineFigures[]): LineShedder<TestLine> {
  const shedder = new LineShedder(lines, waitMaxMs, evenly());
  for (const each of figures) shedder.step(each);
  return shedder;
}

describe('connections of a process that is asked for too much', () => {
  it('are let go of, as many as wait too long, when requests have waited too long for some steps', () => {
    const lines = linesOf(1000);
    expect(stepped(lines, late, late).shed).toBe(0);
    // 600 ms are aimed at
    const longer = { ...late, loopDelayMs: 800.001 };
    expect(stepped(lines, late, longer, late).shed).toBe(260);
    expect(readOf(lines)).toBe(740);
    expect(stepped(linesOf(1000), late, late, late).shed).toBe(300);
  });

  it.each([
    ['one pause', [late, { ...late, loopDelayMs: 10 }, late, late]],
    ['a wait that is borne', Array.from({ length: 9 }, () => ({ ...late, loopDelayMs: waitMaxMs }))],
    ['others on the core', Array.from({ length: 9 }, () => ({ ...late, utilisation: 0.5 }))],
    ['hardly any requests', Array.from({ length: 9 }, () => ({ ...late, requests: 10 }))],
  ])('are all kept: %s', (_, figures) => expect(stepped(linesOf(100), ...figures).shed).toBe(0));

  it('are kept when they carry others, or when somebody asked for more than shakes lately', () => {
    const proxies = linesOf(100, { no: -1 });
    expect(stepped(proxies, late, late, late).shed).toBe(0);
    const lines = linesOf(1);
    const [line] = lines.keys();
    const shedder = new LineShedder(lines, waitMaxMs, () => 0);
    shedder.keep(line!, 900);
    for (let step = 0; step < 3; step++) shedder.step(late);
    expect(line!.isRead).toBe(true);
    for (let step = 0; step < 3; step++) shedder.step({ ...late, nowMs: 61_000 });
    expect(line!.isRead).toBe(false);
  });

  // Proves that nobody takes the places of those who were let go of before there is time for a new connection, and that then there is.
  it('come back as there is room', () => {
    const lines = linesOf(1000);
    const shedder = stepped(lines, late, late);
    expect(shedder.connectionsMax).toBe(Number.POSITIVE_INFINITY);
    shedder.step(late);
    // 700 that are read, 300 that are not hung up on yet, less those that were
    expect(shedder.connectionsMax).toBe(975);
    shedder.step({ ...late, loopDelayMs: 500 });
    expect(shedder.connectionsMax).toBe(950);
    const hungUpBy = 25;
    shedder.step({ ...late, loopDelayMs: 100 });
    expect(shedder.connectionsMax).toBe(950 - hungUpBy + 0.02 * late.requests);
    for (let step = 0; step < 100; step++) shedder.step({ ...late, loopDelayMs: 0, utilisation: 0.1 });
    expect(shedder.connectionsMax).toBe(Number.POSITIVE_INFINITY);
  });

  // Proves that hanging up takes no more than its part of the time, and that in the end all who were let go of are hung up on.
  it('are hung up on as there is time', () => {
    const lines = linesOf(700);
    const shedder = stepped(lines, late, late, late);
    const hungUp = () => [...lines.keys()].filter(({ destroyed }) => destroyed).length;
    expect(hungUp()).toBe(25);
    shedder.step({ ...late, loopDelayMs: 0 });
    expect(hungUp()).toBe(50);
    for (let step = 0; step < 2; step++) shedder.step({ ...late, loopDelayMs: 0, utilisation: 0.1 });
    expect(hungUp()).toBe(210);
    expect([...lines.keys()].every(({ isRead, destroyed }) => isRead !== destroyed)).toBe(true);
  });
});
