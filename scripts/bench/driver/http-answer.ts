/** Reads the answers of a shake out of raw bytes: what a benchmark needs of HTTP/1.1, and no more. */

const headEnd = Buffer.from('\r\n\r\n');
const lengthHeader = Buffer.from('content-length: ');
const closeHeader = Buffer.from('\r\nConnection: close\r\n');
const statusAt = 'HTTP/1.1 '.length;
const resultKey = Buffer.from('"result":"');
const waitKey = Buffer.from('"nextShakeMs":');
const zero = 0x30;
const nine = 0x39;

export interface AnswerBounds {
  /** Of the whole answer, from the start of the bytes. */
  readonly length: number;
  readonly bodyAt: number;
}

/** Where the answer at the start of `bytes` ends; undefined while it is not all there. @throws Error when it names no length. */
export function answerBounds(bytes: Buffer): AnswerBounds | undefined {
  const headLength = bytes.indexOf(headEnd);
  if (headLength < 0) return undefined;
  const at = bytes.indexOf(lengthHeader);
  if (at < 0 || at > headLength) throw new Error('an answer names no content-length');
  const bodyAt = headLength + headEnd.length;
  const length = bodyAt + digitsAt(bytes, at + lengthHeader.length);
  return length <= bytes.length ? { length, bodyAt } : undefined;
}

/** The server ends the connection after this answer. */
export function closesAfter(bytes: Buffer, bodyAt: number): boolean {
  const at = bytes.indexOf(closeHeader);
  return at >= 0 && at < bodyAt;
}

export function statusOf(bytes: Buffer): number {
  return digitsAt(bytes, statusAt);
}

/** `result` by its first letter: hit, miss, rest, limit, not_started, over; an empty string when there is none. */
export function resultLetterOf(bytes: Buffer, bodyAt: number): string {
  const at = bytes.indexOf(resultKey, bodyAt);
  return at < 0 ? '' : String.fromCharCode(bytes[at + resultKey.length]!);
}

/** `nextShakeMs`; undefined when the answer has none. */
export function nextShakeMsOf(bytes: Buffer, bodyAt: number): number | undefined {
  const at = bytes.indexOf(waitKey, bodyAt);
  return at < 0 ? undefined : digitsAt(bytes, at + waitKey.length);
}

function digitsAt(bytes: Buffer, from: number): number {
  let value = 0;
  for (let at = from; at < bytes.length; at++) {
    const digit = bytes[at]!;
    if (digit < zero || digit > nine) break;
    value = value * 10 + digit - zero;
  }
  return value;
}
