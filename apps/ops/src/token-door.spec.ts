// Guessing is slowed down, and costs neither operators who have been in nor stale tabs their way.
import { describe, expect, it } from 'vitest';
import { OpsTokens } from './ops-tokens.ts';
import { TokenDoor } from './token-door.ts';

const operator = 'operator-token-of-a-test';
const viewer = 'viewer-token-of-the-test';
const stale = 'operator-token-of-last-week';
const office = '192.0.2.1';

const create = () => {
  const clock = { nowMs: 0 };
  const door = new TokenDoor(new OpsTokens(operator, viewer), () => clock.nowMs);
  const enter = (token: string, from = office) => door.enter(from, token).status;
  let guesses = 0;
  /** How many of so many different wrong tokens, one after the other, were given a chance. */
  const guess = (times: number, from = office) =>
    Array.from({ length: times }, () => enter(`guess-${guesses++}`, from)).filter((status) => status === 'wrong')
      .length;
  return { clock, door, enter, guess };
};

describe('a stale tab', () => {
  it('that retries each second for hours keeps nobody out who comes from its address', () => {
    const { clock, enter } = create();
    for (let second = 0; second < 4 * 3600; second++) {
      clock.nowMs = second * 1000;
      expect([enter(stale), enter(stale)]).toEqual(['wrong', 'wrong']);
    }
    expect([enter(operator), enter(viewer), enter(stale)]).toEqual(['in', 'in', 'wrong']);
  });

  it('is let in with the right token while others go on with the stale one', () => {
    const { clock, enter } = create();
    for (let second = 0; second < 600; second++) {
      clock.nowMs = second * 1000;
      expect([enter(operator), enter(stale)]).toEqual(['in', 'wrong']);
    }
  });

  it('takes the place of one guess of its address, not more', () => {
    const { enter, guess } = create();
    for (let times = 0; times < 100; times++) enter(stale);
    expect(guess(100)).toBe(9);
    expect(enter(stale)).toBe('limited');
  });
});

describe('a guesser', () => {
  it('has ten guesses, then one each six seconds, however many he makes', () => {
    const { clock, door, guess } = create();
    expect(guess(100_000)).toBe(10);
    expect(door.enter(office, 'another')).toEqual({ status: 'limited', retryAfterMs: 6000 });
    clock.nowMs = 5999;
    expect(guess(1000)).toBe(0);
    clock.nowMs = 6000;
    expect(guess(1000)).toBe(1);
    clock.nowMs += 60_000;
    expect(guess(1000)).toBe(10);
  });

  it('learns nothing from a right token that is new to his address, while he is limited', () => {
    const { clock, door, guess } = create();
    guess(10);
    expect(door.enter(office, operator)).toEqual(door.enter(office, 'wrong'));
    clock.nowMs = 6000;
    expect(door.enter(office, operator).status).toBe('in');
  });

  it('does not slow down other addresses', () => {
    const { enter, guess } = create();
    guess(1000);
    expect(enter(operator, '192.0.2.2')).toBe('in');
  });

  it('has no more guesses with a /64 than with one address', () => {
    const { guess } = create();
    const network = Array.from({ length: 100 }, (_, no) => `2001:db8:0:1::${no}`);
    expect(network.map((address) => guess(5, address)).reduce((sum, given) => sum + given)).toBe(10);
  });
});

describe('beside a guesser', () => {
  it('a token that came in from there comes in, and no other', () => {
    const { enter, guess } = create();
    expect(enter(operator)).toBe('in');
    guess(1000);
    expect([enter(operator), enter(viewer)]).toEqual(['in', 'limited']);
    expect(enter(operator, '192.0.2.2')).toBe('in');
  });

  it('a token that came in from elsewhere waits', () => {
    const { enter, guess } = create();
    expect(enter(operator, '192.0.2.2')).toBe('in');
    guess(1000);
    expect(enter(operator)).toBe('limited');
  });

  it('an operator has been in for hours without locking anybody out or being locked out', () => {
    const { clock, enter, guess } = create();
    enter(operator);
    for (let second = 0; second < 600; second++) {
      clock.nowMs = second * 1000;
      guess(90);
      expect([enter(operator), enter(viewer)]).toEqual(['in', 'limited']);
    }
  });

  it('who makes more than a hundred guesses a second waits with him for moments only: that many are given a chance', () => {
    const { clock, door, enter, guess } = create();
    enter(operator);
    guess(10 + 6000);
    expect(door.enter(office, operator)).toEqual({ status: 'limited', retryAfterMs: 10 });
    expect(door.enter(office, 'wrong')).toEqual({ status: 'limited', retryAfterMs: 10 });
    for (let second = 1; second <= 10; second++) {
      clock.nowMs = second * 1000;
      const chances = Array.from({ length: 1000 }, () => {
        const { status } = door.enter(office, operator);
        guess(1);
        return status;
      }).filter((status) => status === 'in');
      // one more when the six seconds of the first ten guesses are over
      expect([100, 101]).toContain(chances.length);
    }
  });

  it('a stale tab does not use up what is left to operators', () => {
    const { enter, guess } = create();
    enter(operator);
    guess(10 + 5000);
    for (let times = 0; times < 10_000; times++) enter(stale);
    expect(enter(operator)).toBe('in');
  });
});

describe('memory', () => {
  it('is bounded for those who fail and for those who come in', () => {
    const { door, enter } = create();
    const addresses = Array.from({ length: 12_000 }, (_, no) => `198.51.${no >> 8}.${no & 255}`);
    for (const address of addresses) {
      enter('wrong', address);
      enter(operator, address);
    }
    expect(door.sizes).toEqual({ failed: 10_000, cameIn: 1000 });
  });

  it('of who came in is not for those to fill who fail', () => {
    const { enter, guess } = create();
    enter(operator);
    for (let no = 0; no < 20_000; no++) enter('wrong', `198.51.${no >> 8}.${no & 255}`);
    guess(1000);
    expect(enter(operator)).toBe('in');
  });
});
