import { readFile } from 'node:fs/promises';
import { answersIn } from '../driver/open-answers.ts';
import type { BenchSystem } from './bench-system.ts';
import { type BookedGrant, findAnswerFaults } from './check-answers.ts';
import type { Workload } from './workload.ts';

const grantsSql = `
  SELECT g.packet_id AS "packetId", a.name AS "userName", g.sponsor_no AS "sponsorNo", g.amount_fen AS "amountFen"
  FROM grants g JOIN accounts a ON a.id = g.account_id WHERE g.packet_id >> 39 = ANY (
    SELECT p.id FROM pools p WHERE p.event_id = $1)`;

export interface BooksQuestion {
  readonly eventId: number;
  readonly workload: Workload;
  readonly users: readonly number[];
  readonly answersFile: string;
}

/**
 * Holds every answer against the ledger, and has the ledger proven. How many answers there were.
 * @throws Error when an answer is not as booked, or the books do not balance: such a run has no figures.
 */
export async function checkBooks(system: BenchSystem, question: BooksQuestion): Promise<number> {
  const { eventId, workload, users, answersFile } = question;
  const answers = answersIn(await readFile(answersFile, 'utf8'));
  const { rows: grants } = await system.pool.query<BookedGrant>(grantsSql, [eventId]);
  const faults = findAnswerFaults({ tickets: workload.tickets, users, answers, grants });
  const report = await system.ops.reconciliation(String(eventId));
  if (!report.balanced) faults.push('the books do not balance');
  faults.push(...report.violations);
  if (faults.length > 0) throw new Error(`event ${eventId}: answers and ledger differ:\n${faults.join('\n')}`);
  return answers.length;
}
