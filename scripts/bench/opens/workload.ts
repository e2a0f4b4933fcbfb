import { createHash } from 'node:crypto';
import { indexesOf, laneOfBlock, packetIdOf } from '#libs/domain';
import { type Random, randomOf } from '../../rehearse/random.ts';

/** A block as it came from the stock. */
export interface TakenBlock {
  readonly poolId: number;
  readonly sponsorNo: number;
  readonly blockNo: number;
  readonly epoch: number;
  /** base64url. */
  readonly mask: string;
  /** Of the indexes in the mask, so many first ones went to others. */
  readonly skip: number;
}

export interface WorkloadShape {
  readonly blocks: readonly TakenBlock[];
  readonly lanes: number;
  /** Numbers of the users (`userNameOf`): one packet of each of the first three sponsors for everybody. */
  readonly users: readonly number[];
  readonly seed: number;
}

/** What one user may open. */
export interface Ticket {
  /** Place in the list of users. */
  readonly user: number;
  readonly packetId: bigint;
  readonly sponsorNo: number;
  readonly epoch: number;
}

export interface Workload {
  readonly tickets: readonly Ticket[];
  /** Numbers of the tickets, in the order in which they are opened; some come again. */
  readonly opens: Int32Array;
  /** Of each open: it comes so late that its first one has its answer by then. */
  readonly isLateRepeat: Uint8Array;
}

/** Sponsors of whom everybody wins; the one after them gives its packets to users who have as many as they may. */
export const sponsorsPerUser = 3;
/** Parts of all opens. */
export const repeatShare = 0.05;
export const overLimitShare = 0.01;
/** A user's opens come within the time of so many users, in any order, as if he had won them one after the other. */
const spreadUsers = 1000;
/** Half of the repeats come while the first open is under way, the others long after it, in users' time. */
const soonUsers = 30;
const lateUsers = 1500;

/** Packets of each of the first three pools, and of the last one, that so many users need. */
export function packetsNeeded(users: number): { readonly each: number; readonly last: number } {
  const over = overLimitOf(users);
  return { each: users + over, last: over };
}

function overLimitOf(users: number): number {
  return Math.ceil((users * sponsorsPerUser * overLimitShare) / (1 - repeatShare - overLimitShare));
}

/** A user's name, as random as a host application's: names that count up would all meet in one place of an index. */
export function userNameOf(user: number): string {
  return createHash('md5').update(String(user)).digest('hex').slice(0, 16);
}

/**
 * Three tickets for every user, of three sponsors and in different lanes; 1 % of the opens go over a limit, half of them with another
 * packet of a sponsor that the user has, half with one of a fourth sponsor; 5 % are repeats. The same shape gives the same workload.
 * @throws RangeError when there are too few packets.
 */
export function makeWorkload(shape: WorkloadShape): Workload {
  const { users, lanes, seed } = shape;
  const random = randomOf(seed, 'opens');
  const stock = new StockByLane(shape.blocks, lanes);
  const tickets: Ticket[] = [];
  const keys: number[] = [];
  for (let user = 0; user < users.length; user++) {
    for (let sponsorNo = 0; sponsorNo < sponsorsPerUser; sponsorNo++) {
      tickets.push({ user, ...stock.take(sponsorNo, (user + sponsorNo) % lanes) });
      keys.push(user + random.next() * spreadUsers);
    }
  }
  for (let no = 0; no < overLimitOf(users.length); no++) {
    const user = random.integer(0, users.length - 1);
    const sponsorNo = no % 2 === 0 ? random.integer(0, sponsorsPerUser - 1) : sponsorsPerUser;
    tickets.push({ user, ...stock.take(sponsorNo, (user + sponsorsPerUser) % lanes) });
    keys.push(user + (0.5 + random.next()) * spreadUsers);
  }
  return { tickets, ...inOrder(keys, random) };
}

/** The first opens by their keys, and the repeats among them. */
function inOrder(keys: readonly number[], random: Random): Pick<Workload, 'opens' | 'isLateRepeat'> {
  const repeats = Math.round((keys.length * repeatShare) / (1 - repeatShare));
  const all = keys.map((key, ticket) => ({ key, ticket, isLate: false }));
  for (let no = 0; no < repeats; no++) {
    const ticket = random.integer(0, keys.length - 1);
    const isLate = random.chance(0.5);
    const afterUsers = isLate ? lateUsers * (1 + random.next()) : soonUsers * random.next();
    all.push({ key: keys[ticket]! + afterUsers, ticket, isLate });
  }
  all.sort((a, b) => a.key - b.key);
  return {
    opens: Int32Array.from(all, ({ ticket }) => ticket),
    isLateRepeat: Uint8Array.from(all, ({ isLate }) => Number(isLate)),
  };
}

type Packet = Omit<Ticket, 'user'>;

/** Packets by sponsor and lane, given out in the order in which a gateway issues them. */
class StockByLane {
  private readonly stacks = new Map<string, Packet[]>();

  constructor(
    blocks: readonly TakenBlock[],
    private readonly lanes: number,
  ) {
    for (const block of blocks) this.stackOf(block.sponsorNo, this.laneOf(block)).push(...packetsOf(block));
    // taken from the end
    for (const stack of this.stacks.values()) stack.reverse();
  }

  /** From this lane, or from the next one that has some. */
  take(sponsorNo: number, lane: number): Packet {
    for (let step = 0; step < this.lanes; step++) {
      const packet = this.stackOf(sponsorNo, (lane + step) % this.lanes).pop();
      if (packet !== undefined) return packet;
    }
    throw new RangeError(`sponsor ${sponsorNo} has too few packets`);
  }

  private laneOf({ poolId, blockNo }: TakenBlock): number {
    return laneOfBlock(poolId, blockNo, this.lanes);
  }

  private stackOf(sponsorNo: number, lane: number): Packet[] {
    const key = `${sponsorNo}/${lane}`;
    const stack = this.stacks.get(key) ?? [];
    this.stacks.set(key, stack);
    return stack;
  }
}

function packetsOf({ poolId, sponsorNo, blockNo, epoch, mask, skip }: TakenBlock): Packet[] {
  return indexesOf(Buffer.from(mask, 'base64url'))
    .slice(skip)
    .map((index) => ({ packetId: packetIdOf({ poolId, blockNo, index }), sponsorNo, epoch }));
}
