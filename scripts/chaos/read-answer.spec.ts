import { describe, expect, it } from 'vitest';
import { problemOf } from '#libs/contracts';
import { type Answer, grabSaid, noAnswer, openSaid } from './read-answer.ts';

const answer = (status: number, body: object): Answer => ({ status, text: JSON.stringify(body) });
const problem = (code: Parameters<typeof problemOf>[0], status = problemOf(code).status): Answer =>
  answer(status, problemOf(code));

/** Proves that nothing undocumented passes for a refusal. */
describe('what an answer says', () => {
  it('reads the outcomes of an open', () => {
    const credited = { status: 'credited', packetId: '5', amountFen: 12 };
    expect(openSaid(answer(200, credited))).toEqual({ kind: 'credited', packetId: '5', amountFen: 12 });
    expect(openSaid(answer(202, { status: 'pending', packetId: '5' }))).toEqual({ kind: 'pending', packetId: '5' });
    expect(openSaid(problem('limit_reached'))).toEqual({ kind: 'denied', code: 'limit_reached' });
    expect(openSaid(problem('packet_unknown'))).toMatchObject({ kind: 'refused' });
    const putOff = answer(503, problemOf('dependency_unavailable', undefined, { retryAfterMs: 45_000 }));
    expect(openSaid(putOff)).toEqual({
      kind: 'refused',
      status: 503,
      code: 'dependency_unavailable',
      retryAfterMs: 45_000,
    });
  });

  it('reads the outcomes of a grab', () => {
    expect(grabSaid(answer(200, { status: 'credited', portion: 2, amountFen: 3 }))).toMatchObject({ portion: 2 });
    expect(grabSaid(answer(200, { status: 'empty' }))).toEqual({ kind: 'empty' });
    expect(grabSaid(answer(202, { status: 'pending' }))).toEqual({ kind: 'pending' });
    expect(grabSaid(problem('share_expired'))).toEqual({ kind: 'expired' });
  });

  it('takes a documented "not now" for a refusal, and everything else for odd', () => {
    expect(noAnswer(problem('queue_unavailable'), [])).toMatchObject({ kind: 'refused', status: 503 });
    expect(noAnswer(problem('event_unknown'), ['event_unknown'])).toEqual({
      kind: 'refused',
      status: 404,
      code: 'event_unknown',
    });
    expect(noAnswer(undefined, [])).toEqual({ kind: 'lost' });
    const odd = [
      problem('internal'),
      problem('event_unknown'),
      problem('overloaded', 500),
      { status: 502, text: 'Bad Gateway' },
      answer(503, { code: 'made_up' }),
    ];
    for (const one of odd) expect(noAnswer(one, [])).toMatchObject({ kind: 'odd' });
  });
});
