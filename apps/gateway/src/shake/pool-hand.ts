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

/** What this process took of one pool's blocks: issued in order, of the block that ends first before the others. */
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

  /** Takes a block, or the part of one that came: its `count` indexes after those that went elsewhere. */
  add({ blockNo, epoch, issueUntilMs, mask, count, skip = 0 }: StockedBlock): void {
    const indexes = indexesOf(Buffer.from(mask, 'base64url')).slice(skip, skip + count);
    const block = { blockNo, epoch, issueUntilMs, indexes, next: 0 };
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

  /** When the first block in hand ends; undefined with none in hand. */
  get endsAtMs(): number | undefined {
    return this.blocks[0]?.issueUntilMs;
  }

  /** Indexes of blocks that end before `untilMs`. */
  endingBefore(untilMs: number): number {
    let ending = 0;
    for (const block of this.blocks) if (block.issueUntilMs < untilMs) ending += leftOf(block);
    return ending;
  }
}
