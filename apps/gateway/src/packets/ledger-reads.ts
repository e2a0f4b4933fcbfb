import {
  type History,
  historySchema,
  type PacketStatus,
  packetStatusSchema,
  type Wallet,
  walletSchema,
} from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import { type InternalClient, ProblemError } from '#libs/runtime';
import { ReadCache } from './read-cache.ts';

/** Wallets and history pages kept, about 1 KB and 5 KB each. */
const walletsMax = 50_000;
const historyPagesMax = 10_000;
/** While reads are to come from copies (tier 2). */
const cachedAgeMaxMs = 30_000;

export interface PacketQuestion {
  readonly packetId: string;
  readonly userId: string;
  /** Of the asker's ticket or receipt, where there is one: the outcome is that ticket's. */
  readonly epoch?: number | undefined;
}

export interface HistoryPage {
  readonly cursor: string | undefined;
  readonly limit: number | undefined;
}

/** What is read from the ledger, by way of allocation and behind its bulkhead. */
export class LedgerReads {
  private readonly wallets: ReadCache<Wallet>;
  private readonly pages: ReadCache<History>;

  constructor(
    /** One bulkhead each: whoever looks at a wallet takes no place of one who asks for an open. */
    private readonly links: {
      readonly ledger: Pick<InternalClient, 'json'>;
      readonly accounts: Pick<InternalClient, 'json'>;
    },
    private readonly degradation: Pick<DegradationHolder, 'modeOf'>,
    monotonicMs: () => number,
  ) {
    const options = { monotonicMs, isAway };
    this.wallets = new ReadCache({ ...options, entriesMax: walletsMax });
    this.pages = new ReadCache({ ...options, entriesMax: historyPagesMax });
  }

  /** @throws ProblemError `dependency_unavailable`, `overloaded`. */
  async packetStatus({ packetId, userId, epoch }: PacketQuestion): Promise<PacketStatus> {
    const query = new URLSearchParams({ userId, ...(epoch === undefined ? {} : { epoch: String(epoch) }) });
    return packetStatusSchema.parse(
      await this.links.ledger.json({ method: 'GET', path: `/internal/v1/packets/${packetId}?${query}` }),
    );
  }

  /** @throws ProblemError `feature_off`, `dependency_unavailable`, `overloaded`. */
  async wallet(userId: string): Promise<Wallet> {
    const read = async (): Promise<Wallet> =>
      walletSchema.parse(await this.read(`/internal/v1/users/${userId}/wallet`));
    return await this.wallets.get(userId, this.ageMaxMs('wallet'), read);
  }

  /** @throws ProblemError `feature_off`, `bad_request` (the cursor), `dependency_unavailable`, `overloaded`. */
  async history(userId: string, { cursor, limit }: HistoryPage): Promise<History> {
    const query = new URLSearchParams();
    if (cursor !== undefined) query.set('cursor', cursor);
    if (limit !== undefined) query.set('limit', String(limit));
    const path = `/internal/v1/users/${userId}/packets?${query}`;
    return await this.pages.get(path, this.ageMaxMs('history'), async () => historySchema.parse(await this.read(path)));
  }

  private ageMaxMs(feature: 'wallet' | 'history'): number {
    const mode = this.degradation.modeOf(feature);
    if (mode === 'off') throw new ProblemError('feature_off');
    return mode === 'cached' ? cachedAgeMaxMs : 0;
  }

  private read(path: string): Promise<unknown> {
    return this.links.accounts.json({ method: 'GET', path });
  }
}

function isAway(error: unknown): boolean {
  return error instanceof ProblemError && (error.code === 'dependency_unavailable' || error.code === 'overloaded');
}
