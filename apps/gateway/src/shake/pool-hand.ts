import type { StockedBlock } from '#libs/contracts';
import { indexesOf } from '#libs/domain';

/** What one shake gets: the reference of a packet and the epoch in which its block issues. */
export interface IssuedIndex {
  readonly poolId: number;
  readonly sponsorNo: number;
  readonly blockNo: number;
  readonly epoch: number;
  readonly index: number;
}

interface BlockInHand {
  readonly blockNo: number;
  readonly epoch: number;
  readonly issueUntilMs: number;
  readonly indexes: readonly number[];
  /** Position in `indexes` of the next one to issue: it only ever grows (invariant 2). */
  next: number;
}

const leftOf = (block: BlockInHand): number => block.indexes.length - block.next;

/** The blocks of one pool that this process popped: issued in order, the one that ends first before the others. */
export class PoolHand {
  private blocks: BlockInHand[] = [];
  private indexesLeft = 0;

  constructor(
    readonly poolId: number,
    readonly sponsorNo: number,
  ) {}

  /** Indexes in hand; those of a block that just ended count until `dropEnded`. */
  get left(): number {
    return this.indexesLeft;
  }

  get blockCount(): number {
    return this.blocks.length;
  }

  add({ blockNo, epoch, issueUntilMs, mask }: StockedBlock): void {
    const block = { blockNo, epoch, issueUntilMs, indexes: indexesOf(Buffer.from(mask, 'base64url')), next: 0 };
    if (block.indexes.length === 0) return;
    this.blocks.push(block);
    this.blocks.sort((a, b) => a.issueUntilMs - b.issueUntilMs);
    this.indexesLeft += block.indexes.length;
  }

  /** The next index, or undefined when every block in hand is used up or ended at `nowMs` (store clock). */
  issue(nowMs: number): IssuedIndex | undefined {
    this.dropEnded(nowMs);
    const block = this.blocks[0];
    if (block === undefined) return undefined;
    const { poolId, sponsorNo } = this;
    const issued = { poolId, sponsorNo, blockNo: block.blockNo, epoch: block.epoch, index: block.indexes[block.next]! };
    block.next += 1;
    this.indexesLeft -= 1;
    if (leftOf(block) === 0) this.blocks.shift();
    return issued;
  }

  /** Forgets the blocks whose `issueUntilMs` has come: time brings what was left of them back (invariant 3). */
  dropEnded(nowMs: number): void {
    while (this.blocks.length > 0 && this.blocks[0]!.issueUntilMs <= nowMs) {
      this.indexesLeft -= leftOf(this.blocks.shift()!);
    }
  }

  /**
   * Indexes per second that must be issued so that each block is used up `spreadMs` from now, or when it ends if that is sooner
   * (but not faster than within `endingSoonMs`).
   */
  neededPerSecond(nowMs: number, spreadMs: number, endingSoonMs: number): number {
    let needed = 0;
    for (const block of this.blocks) {
      const timeLeftMs = Math.max(Math.min(block.issueUntilMs - nowMs, spreadMs), endingSoonMs);
      needed += (leftOf(block) * 1000) / timeLeftMs;
    }
    return needed;
  }
}
