import { describe, expect, it } from 'vitest';
import { ImpatientPhones } from './impatient-phones.ts';

const patienceMs = 2000;
const phonesOf = (count: number, steps = [{ ms: 10_000, load: 1 }], spares = 0) =>
  new ImpatientPhones(count, spares, patienceMs, steps, 0);

describe('phones that obey nobody', () => {
  // Proves that those who are answered do not shake more often because others wait.
  it('shake in turn; in the place of one who waits somebody else comes for once, if there is anybody', () => {
    const phones = phonesOf(2, undefined, 1);
    expect([phones.take(1, 1), phones.take(2, 2)]).toEqual([0, 1]);
    phones.end(1, 'decided', 3);
    expect([phones.take(4, 4), phones.take(5, 5), phones.take(6, 6)]).toEqual([2, 1, undefined]);
    expect([phones.isSpare(1), phones.isSpare(2)]).toEqual([false, true]);
    phones.end(2, 'rested', 7);
    phones.end(1, 'rested', 7);
    expect([phones.take(8, 8), phones.take(9, 9)]).toEqual([1, 2]);
  });

  it('give up after their patience, counted from when the shake was due, and are idle again', () => {
    const phones = phonesOf(2);
    phones.take(100, 150);
    phones.take(200, 200);
    expect(phones.nextGivenUp(2099)).toBeUndefined();
    expect(phones.nextGivenUp(2100)).toBe(0);
    expect(phones.nextGivenUp(2100)).toBeUndefined();
    expect([phones.isWaiting(0), phones.isWaiting(1)]).toEqual([false, true]);
    expect(phones.take(2100, 2100)).toBe(0);
  });

  it('do not give up a shake that was answered, nor the next one before its time', () => {
    const phones = phonesOf(1);
    phones.take(100, 100);
    phones.end(0, 'decided', 200);
    phones.take(2000, 2000);
    expect(phones.nextGivenUp(2500)).toBeUndefined();
    expect(phones.nextGivenUp(4000)).toBe(0);
  });

  it('send nothing when all of them wait, or when it is too late', () => {
    const phones = phonesOf(1);
    expect(phones.take(0, patienceMs)).toBeUndefined();
    expect(phones.take(0, 1)).toBe(0);
    expect(phones.take(2, 2)).toBeUndefined();
    const [period] = phones.summary(5).periods;
    expect(period).toMatchObject({ sent: 1, unsent: 2, gaveUp: 1 });
  });

  // Proves that nothing is lost or counted twice: every shake that was sent ends in one way, in the period in which it was due.
  it('count every shake once, where it was due, and every answer where it came', () => {
    const phones = phonesOf(10, [
      { ms: 300, load: 1 },
      { ms: 700, load: 1 },
    ]);
    const ends = ['decided', 'rested', 'refused', 'cutOff'] as const;
    const tookMs = [40, 60, 10, 10] as const;
    ends.forEach((how, at) => {
      const phone = phones.take(at * 100 + 50, at * 100 + 60)!;
      phones.end(phone, how, at * 100 + 50 + tookMs[at]!);
    });
    phones.take(450, 450);
    const { periods, steps } = phones.summary(1000);
    expect(
      periods.map(({ decided, rested, refused, cutOff, gaveUp }) => [decided, rested, refused, cutOff, gaveUp]),
    ).toEqual([
      [1, 0, 0, 0, 0],
      [0, 1, 0, 0, 0],
      [0, 0, 1, 0, 0],
      [0, 0, 0, 1, 0],
      [0, 0, 0, 0, 1],
    ]);
    expect(periods.every(({ sent }) => sent === 1)).toBe(true);
    expect(periods.map(({ answers }) => answers)).toEqual([1, 0, 1, 0, 0]);
    expect(steps.map(({ fromMs, untilMs }) => [fromMs, untilMs])).toEqual([
      [0, 300],
      [300, 1000],
    ]);
    expect(steps[0]).toMatchObject({ p50Ms: 40, p99Ms: 60, lagP99Ms: 10 });
  });
});
