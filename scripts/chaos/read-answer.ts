import { type ErrorCode, errorCatalogue, type Problem } from '#libs/contracts';
import type { Denial, GrabSaid, NoAnswer, OpenSaid } from './chaos-log.ts';

/** An answer as it came; `undefined`: none did. */
export type Answer = { readonly status: number; readonly text: string } | undefined;

const denials: ReadonlySet<string> = new Set<Denial>([
  'limit_reached',
  'sponsor_limit_reached',
  'ticket_expired',
  'packet_gone',
]);
const oddTextCharsMax = 300;

/** What an open, or the question after a packet, was told. */
export function openSaid(answer: Answer): OpenSaid {
  const body = bodyOf(answer);
  if (answer?.status === 200 && body?.['status'] === 'credited') {
    return { kind: 'credited', packetId: String(body['packetId']), amountFen: Number(body['amountFen']) };
  }
  if (answer?.status === 202 && body?.['status'] === 'pending') {
    return { kind: 'pending', packetId: String(body['packetId']) };
  }
  const code = codeOf(answer);
  if (code !== undefined && denials.has(code)) return { kind: 'denied', code: code as Denial };
  return noAnswer(answer, ['packet_unknown']);
}

export function grabSaid(answer: Answer): GrabSaid {
  const body = bodyOf(answer);
  if (answer?.status === 200 && body?.['status'] === 'credited') {
    return { kind: 'credited', portion: Number(body['portion']), amountFen: Number(body['amountFen']) };
  }
  if (answer?.status === 200 && body?.['status'] === 'empty') return { kind: 'empty' };
  if (answer?.status === 202 && body?.['status'] === 'pending') return { kind: 'pending' };
  if (codeOf(answer) === 'share_expired') return { kind: 'expired' };
  return noAnswer(answer, []);
}

/** What is neither success nor one of the `expected` codes, nor a documented "not now", is odd. */
export function noAnswer(answer: Answer, expected: readonly ErrorCode[]): NoAnswer {
  if (answer === undefined) return { kind: 'lost' };
  const code = codeOf(answer);
  const { status, text } = answer;
  if (code !== undefined && (expected.includes(code) || isNotNow(code))) {
    const retryAfterMs = bodyOf(answer)?.['retryAfterMs'];
    return { kind: 'refused', status, code, ...(typeof retryAfterMs === 'number' && { retryAfterMs }) };
  }
  return { kind: 'odd', status, text: text.slice(0, oddTextCharsMax) };
}

/** The code of a problem whose status is the one that the catalogue gives it. */
export function codeOf(answer: Answer): ErrorCode | undefined {
  const code = bodyOf(answer)?.['code'] as Problem['code'] | undefined;
  if (code === undefined || errorCatalogue[code]?.status !== answer?.status) return undefined;
  return code;
}

function isNotNow(code: ErrorCode): boolean {
  return errorCatalogue[code].retryable;
}

export function bodyOf(answer: Answer): Record<string, unknown> | undefined {
  try {
    const body: unknown = JSON.parse(answer?.text ?? '');
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
