import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shakeAnswerSchema } from '#libs/contracts';
import { prepareAnswer } from '../process/raw-answer.ts';
import {
  AnswerRing,
  limitAnswer,
  missAnswers,
  missOf,
  notStartedAnswer,
  overAnswer,
  restAnswers,
  restOf,
  WaitAnswers,
} from './shake-answers.ts';

const headerOf = (headers: readonly string[], name: string): string => headers[headers.indexOf(name) + 1]!;

describe('prepared answers', () => {
  it('are what the contract says', () => {
    const waits = [missAnswers.of(700), restAnswers.of(45_000), new AnswerRing(restOf, 1000).next()];
    for (const answer of [...waits, limitAnswer, overAnswer, notStartedAnswer(5)])
      expect(() => shakeAnswerSchema.parse(JSON.parse(answer.body))).not.toThrow();
  });

  it('have the length of their bytes, whatever a sponsor is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const { headers, body } = prepareAnswer({ name });
        expect(headerOf(headers, 'content-length')).toBe(String(Buffer.byteLength(body, 'latin1')));
        expect(JSON.parse(body)).toEqual({ name });
      }),
    );
  });

  it('tell no shorter wait than is asked for, and next to no longer one, up to two minutes', () => {
    const answers = new WaitAnswers(missOf);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_200_000 }), (tenths) => {
        const waitMs = tenths / 10;
        const told = JSON.parse(answers.of(waitMs).body).nextShakeMs as number;
        expect(told - waitMs).toBeGreaterThanOrEqual(0);
        expect(told - waitMs).toBeLessThan(waitMs <= 10_000 ? 10 : 1000);
      }),
    );
    expect(JSON.parse(answers.of(10_000).body).nextShakeMs).toBe(10_000);
    expect(JSON.parse(answers.of(Number.MAX_VALUE).body).nextShakeMs).toBe(120_000);
  });

  it('are made once for each wait', () => {
    const answers = new WaitAnswers(restOf);
    expect(answers.of(1234.5)).toBe(answers.of(1240));
    expect(answers.of(70_001)).toBe(answers.of(71_000));
  });

  it('to clients of whom nothing is known differ from one to the next', () => {
    const ring = new AnswerRing(restOf, 1000);
    const waits = Array.from({ length: 64 }, () => JSON.parse(ring.next().body).nextShakeMs as number);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000);
    expect(Math.max(...waits)).toBeLessThan(1500);
    expect(new Set(waits).size).toBe(64);
  });
});
