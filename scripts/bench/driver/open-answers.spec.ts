import { expect, test } from 'vitest';
import { answerLine, answersIn, readOpenAnswer } from './open-answers.ts';

const read = (status: number, body: object | string) =>
  readOpenAnswer(status, typeof body === 'string' ? body : JSON.stringify(body), '77');

test('credited and the denials of the contract are outcomes; an answer for another packet is none of them', () => {
  const credited = { status: 'credited', packetId: '77', amountFen: 12 };
  expect(read(200, credited)).toEqual({ kind: 'outcome', outcome: 'credited', amountFen: 12 });
  expect(read(200, { ...credited, packetId: '78' })).toMatchObject({ outcome: 'other packet' });
  expect(read(409, { code: 'limit_reached' })).toEqual({ kind: 'outcome', outcome: 'limit_reached', amountFen: 0 });
  expect(read(410, { code: 'packet_gone' })).toMatchObject({ kind: 'outcome', outcome: 'packet_gone' });
  expect(read(400, { code: 'ticket_invalid' })).toMatchObject({ kind: 'outcome', outcome: 'ticket_invalid' });
});

test('pending and refusals ask for the same again, with the receipt and after the time that they name', () => {
  expect(read(202, { status: 'pending', receipt: 'r', pollAfterMs: 600 })).toEqual({
    kind: 'again',
    outcome: 'pending',
    afterMs: 600,
    receipt: 'r',
  });
  expect(read(503, { code: 'overloaded', retryAfterMs: 1000 })).toMatchObject({ kind: 'again', afterMs: 1000 });
  expect(read(429, { code: 'too_many' })).toMatchObject({ kind: 'again', outcome: 'too_many' });
});

test('what is no answer of the contract is an outcome that names itself', () => {
  expect(read(500, '<html>')).toMatchObject({ kind: 'outcome', outcome: 'status 500' });
  expect(read(200, { status: 'pending', receipt: 'r', pollAfterMs: 1 })).toMatchObject({ outcome: 'status 200' });
});

test('answers come back from their lines as they were', () => {
  const answers = [
    { ticket: 0, outcome: 'credited', amountFen: 5 },
    { ticket: 12, outcome: 'limit_reached', amountFen: 0 },
  ];
  expect(answersIn(answers.map(answerLine).join(''))).toEqual(answers);
});
