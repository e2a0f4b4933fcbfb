import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shakeAnswerSchema } from '#libs/contracts';
import { prepareAnswer } from '../process/raw-answer.ts';
import { AnswerRing, jitteredMs, limitAnswer, missOf, notStartedAnswer, overAnswer, restOf } from './shake-answers.ts';

const headerOf = (headers: readonly string[], name: string): string => headers[headers.indexOf(name) + 1]!;

describe('prepared answers', () => {
  it('are what the contract says', () => {
    const rings = [new AnswerRing(missOf, 1000), new AnswerRing(restOf, 1000)].map((ring) => ring.next());
    for (const answer of [...rings, limitAnswer, overAnswer, notStartedAnswer(5)])
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

  it('tell waits of at least a slot, spread over half a slot more', () => {
    const ring = new AnswerRing(missOf, 1000);
    const waits = Array.from({ length: 64 }, () => JSON.parse(ring.next().body).nextShakeMs as number);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000);
    expect(Math.max(...waits)).toBeLessThan(1500);
    expect(new Set(waits).size).toBeGreaterThan(48);
    expect([jitteredMs(1000, 0), jitteredMs(1000, 0.999)]).toEqual([1000, 1499]);
  });

  it('follow a new base', () => {
    const ring = new AnswerRing(missOf, 1000);
    ring.refill(10_000);
    expect(JSON.parse(ring.next().body).nextShakeMs).toBeGreaterThanOrEqual(10_000);
  });
});
