import { z } from 'zod';

/** What became of a ticket, as one of its answers says. */
export interface TicketAnswer {
  readonly ticket: number;
  /** `credited`, or the code of a denial; `pending` and refusals are no outcomes. */
  readonly outcome: string;
  /** 0 for a denial. */
  readonly amountFen: number;
}

/** What an answer asks for: nothing more, or the same again. */
export type Reading =
  | { readonly kind: 'outcome'; readonly outcome: string; readonly amountFen: number }
  | { readonly kind: 'again'; readonly outcome: string; readonly afterMs: number; readonly receipt?: string };

const creditedSchema = z.object({ status: z.literal('credited'), packetId: z.string(), amountFen: z.int() });
const pendingSchema = z.object({ status: z.literal('pending'), receipt: z.string(), pollAfterMs: z.number() });
const problemSchema = z.object({ code: z.string(), retryAfterMs: z.number().optional() });

/** Denials that stay. */
const denials: ReadonlySet<string> = new Set([
  'limit_reached',
  'sponsor_limit_reached',
  'packet_gone',
  'ticket_expired',
]);
const againMs = 100;

/** Reads the answer to an open of the packet with this id. What is no answer of the contract becomes an outcome that no check lets pass. */
export function readOpenAnswer(status: number, body: string, packetId: string): Reading {
  const json: unknown = parsed(body);
  const credited = creditedSchema.safeParse(json);
  if (status === 200 && credited.success) {
    const { amountFen } = credited.data;
    return { kind: 'outcome', outcome: credited.data.packetId === packetId ? 'credited' : 'other packet', amountFen };
  }
  const pending = pendingSchema.safeParse(json);
  if (status === 202 && pending.success) {
    const { receipt, pollAfterMs: afterMs } = pending.data;
    return { kind: 'again', outcome: 'pending', afterMs, receipt };
  }
  const problem = problemSchema.safeParse(json);
  if (!problem.success) return { kind: 'outcome', outcome: `status ${status}`, amountFen: 0 };
  const { code, retryAfterMs } = problem.data;
  if (denials.has(code) || status < 429) return { kind: 'outcome', outcome: code, amountFen: 0 };
  return { kind: 'again', outcome: code, afterMs: retryAfterMs ?? againMs };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** One answer a line. */
export function answerLine({ ticket, outcome, amountFen }: TicketAnswer): string {
  return `${ticket}\t${outcome}\t${amountFen}\n`;
}

export function answersIn(text: string): TicketAnswer[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [ticket = '', outcome = '', amountFen = ''] = line.split('\t');
      return { ticket: Number(ticket), outcome, amountFen: Number(amountFen) };
    });
}
