import { expect, test } from 'vitest';
import { answerBounds, closesAfter, nextShakeMsOf, resultLetterOf, statusOf } from './http-answer.ts';

const body = '{"result":"miss","nextShakeMs":1234}';
const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\nDate: now\r\n\r\n${body}`);

test('an answer ends where its length says, wherever its bytes are cut', () => {
  const whole = answerBounds(answer);
  expect(whole).toEqual({ length: answer.length, bodyAt: answer.length - body.length });
  for (let length = 0; length < answer.length; length++)
    expect(answerBounds(answer.subarray(0, length)), `${length} bytes`).toBeUndefined();
  expect(answerBounds(Buffer.concat([answer, Buffer.from('HTTP/1.1 2')]))).toEqual(whole);
});

test('status, result and next shake are read out of it', () => {
  const { bodyAt } = answerBounds(answer)!;
  expect([statusOf(answer), resultLetterOf(answer, bodyAt), nextShakeMsOf(answer, bodyAt)]).toEqual([200, 'm', 1234]);
});

test('an answer says whether its connection ends', () => {
  const last = Buffer.from(`HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  expect([answer, last].map((bytes) => closesAfter(bytes, answerBounds(bytes)!.bodyAt))).toEqual([false, true]);
});

test('an answer without a next shake has none, and one without a length is refused', () => {
  const over = Buffer.from('HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\n{}');
  const { bodyAt } = answerBounds(over)!;
  expect([statusOf(over), resultLetterOf(over, bodyAt), nextShakeMsOf(over, bodyAt)]).toEqual([503, '', undefined]);
  expect(() => answerBounds(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))).toThrow('content-length');
});
