import { z } from 'zod';
import {
  type History,
  historyPageMax,
  type OpenAnswer,
  type PacketStatus,
  packetIdSchema,
  type Wallet,
} from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import { type Claim, type KeyRing, parsePacketId } from '#libs/domain';
import { ProblemError, validate } from '#libs/runtime';
import { receiptOf } from '../open/claims.ts';
import type { LedgerReads } from './ledger-reads.ts';
import { type Asker, type PacketAnswers, problemOfDenial } from './packet-answers.ts';

const cursorCharsMax = 256;
const historyQuerySchema = z.object({
  cursor: z.string().min(1).max(cursorCharsMax).optional(),
  limit: z.coerce.number().int().min(1).max(historyPageMax).optional(),
});

export interface PacketsParts {
  readonly ring: KeyRing;
  readonly degradation: Pick<DegradationHolder, 'isOn'>;
  readonly ledger: LedgerReads;
  readonly answers: PacketAnswers;
}

/** What became of opens, and what a user has. */
export class PacketsService {
  constructor(private readonly parts: PacketsParts) {}

  /**
   * What became of a packet, for its owner. While nobody can say, a receipt makes it `pending`.
   * @throws ProblemError `bad_request`, `ticket_invalid`, `ticket_not_yours`, `packet_unknown`, a denial, `feature_off`,
   * `dependency_unavailable`, `overloaded`.
   */
  async status(packetIdText: string, receiptText: string | undefined, asker: Asker): Promise<OpenAnswer> {
    const packetId = packetIdOf(packetIdText);
    const { ring, answers } = this.parts;
    const receipt = receiptText === undefined ? undefined : receiptOf(ring, receiptText, asker.userId);
    if (receipt !== undefined && String(receipt.packetId) !== packetId)
      throw new ProblemError('ticket_invalid', 'the receipt is of another packet');
    const known = answers.knownOf(packetId, receipt?.epoch, asker);
    if (known !== undefined) return known;
    const status = await this.statusOf(packetId, receipt, asker.userId);
    if (status.status === 'credited') return answers.creditedByLedger(status, asker);
    if (receipt === undefined) throw new ProblemError('packet_unknown');
    switch (status.status) {
      case 'open':
      case 'uncertain':
      case 'pending':
      case 'unknown':
        return answers.pending(receipt, receipt.atMs);
      default:
        throw problemOfDenial(status.status);
    }
  }

  async history(userId: string, query: unknown): Promise<History> {
    const { cursor, limit } = validate(historyQuerySchema, query);
    return await this.parts.ledger.history(userId, { cursor, limit });
  }

  wallet(userId: string): Promise<Wallet> {
    return this.parts.ledger.wallet(userId);
  }

  /** The ledger's word; with a receipt and without the ledger: not known yet. */
  private async statusOf(packetId: string, receipt: Claim | undefined, userId: string): Promise<PacketStatus> {
    try {
      if (!this.parts.degradation.isOn('status')) throw new ProblemError('feature_off');
      return await this.parts.ledger.packetStatus({ packetId, userId, epoch: receipt?.epoch });
    } catch (error) {
      if (receipt === undefined || !isNotNow(error)) throw error;
      return { status: 'open' };
    }
  }
}

function isNotNow(error: unknown): boolean {
  return error instanceof ProblemError && ['feature_off', 'dependency_unavailable', 'overloaded'].includes(error.code);
}

/** @throws ProblemError `bad_request` unless the text is a packet id. */
export function packetIdOf(text: string): string {
  validate(packetIdSchema, text);
  if (parsePacketId(text) === undefined) throw new ProblemError('bad_request', 'packetId: out of range');
  return text;
}
