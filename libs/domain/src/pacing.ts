import type { UserHash } from './luck.ts';

/*
 * Turns: how shakes are paced so that nobody can cheat. Time is cut into slots of the event's shake interval, on a grid of each
 * user's own. Unpaced, every slot is a turn. At stretch m (a real number from 1 on) the user's turns are the slots s with
 *
 *     frac(phase + s · g) < 1/m,    g = golden ratio − 1
 *
 * which is an additive recurrence (a Kronecker sequence; V. T. Sós, "On the theory of diophantine approximations", 1957, for its
 * three gaps). Hence, for every user:
 *   - density: exactly one slot in m is a turn, over any longer time;
 *   - gaps: neighbouring turns lie one of at most three lengths apart, Fibonacci numbers, the longest at most 2 m;
 *   - nestedness: the turns of a larger stretch are among those of a smaller one, so that gateways which pace differently give
 *     nobody a turn that the most generous of them would not have given.
 * Nothing is remembered between gateways. All of it is exact arithmetic on 32-bit words, so that every process finds the same.
 */

/** g as a 32-bit fraction: odd, so that a period has 2^32 slots. */
const goldenWord = 0x9e3779b9;
const wordSpan = 0x1_0000_0000;
const goldenRatio = (1 + Math.sqrt(5)) / 2;
/** Set the event apart in the two words of a user hash. */
const phaseFactor = 0x85ebca6b;
const gridFactor = 0xc2b2ae35;

/**
 * How far the user's grid of slots is shifted against the event's start: a fraction of the interval, uniform in [0, 1) over users.
 * So a crowd that starts at one instant is spread over the interval from its second shake on. Free of the phase and of luck.
 */
export function slotShift(eventId: number, user: UserHash): number {
  return ((user.low ^ Math.imul(eventId, gridFactor)) >>> 0) / wordSpan;
}

/** The user's phase among the turns of an event: a 32-bit word, uniform over users. */
export function turnPhase(eventId: number, user: UserHash): number {
  return (user.high ^ Math.imul(eventId, phaseFactor)) >>> 0;
}

/** Whether a slot is a turn at this stretch (at least 1). Slots are integers, negative ones too. */
export function isTurn(phase: number, slot: number, stretch: number): boolean {
  return (phase + Math.imul(slot, goldenWord)) >>> 0 < wordSpan / stretch;
}

/** The latest turn that is not after `slot`; at most `longestGap(stretch) - 1` slots back. */
export function latestTurn(phase: number, slot: number, stretch: number): number {
  let turn = slot;
  while (!isTurn(phase, turn, stretch)) turn -= 1;
  return turn;
}

/** The first turn after `slot`; at most `longestGap(stretch)` slots ahead. */
export function nextTurn(phase: number, slot: number, stretch: number): number {
  let turn = slot + 1;
  while (!isTurn(phase, turn, stretch)) turn += 1;
  return turn;
}

/** The longest gap between neighbouring turns, in slots: the first return from above plus the first from below (three gaps). */
export function longestGap(stretch: number): number {
  if (stretch <= 1) return 1;
  const span = wordSpan / stretch;
  let up = 1;
  while (Math.imul(up, goldenWord) >>> 0 >= span) up += 1;
  let down = 1;
  while (Math.imul(-down, goldenWord) >>> 0 >= span) down += 1;
  return up + down;
}

/**
 * The largest stretch whose gaps are at most `gapMax` slots (at least 1). Between the powers of the golden ratio the longest gap
 * stays: 2 up to its first power, 3 up to the second, and so on along the Fibonacci numbers.
 */
export function stretchMaxOf(gapMax: number): number {
  let [gap, nextGap] = [1, 2];
  let power = 0;
  for (; nextGap <= gapMax; power += 1) [gap, nextGap] = [nextGap, gap + nextGap];
  // a little below the power: the 32-bit word is g to ten digits only, which shows in gaps of hundreds of slots
  return Math.max(1, goldenRatio ** power * (1 - 1e-3));
}
