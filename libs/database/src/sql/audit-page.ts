import { packetIdOf, runPacketsMax } from '#libs/domain';
import { safeNumber } from '../safe-number.ts';
import type { AuditedPool } from './audit-pools.sql.ts';

/** Rows that one statement of an audit reads, about: tens of milliseconds, whatever the size of the ledger. */
export const rowsPerPage = 8192;

/** Wallets of one statement: 2^13 ids. */
export const walletPageBits = 13;

/** Packet ids of a pool `[from, to)`, whole runs of its plan: block numbers in steps of `256 / blockSize`. */
export interface PacketRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** What was booked in a range, in one statement. */
export interface LedgerPage {
  /** Sum of the transfers. */
  readonly fen: number;
  /** The range's first packet as a number of its pool. */
  readonly firstPacketNo: number;
  /** Per wallet that was credited, its number shifted by `walletPageBits`; each once. */
  readonly walletPages: readonly number[];
  /** Id of the next packet of the pool behind the range that has something booked; undefined when there is none. */
  readonly nextId: bigint | undefined;
}

export const poolBits = 39n;
const blockBits = 8n;

/** The range of `packets` packets (rounded to whole runs) of the pool that has the packet id in its first run. */
export function rangeAt(pool: AuditedPool, packetId: bigint, packets: number): PacketRange {
  const blocksPerRun = BigInt(runPacketsMax / pool.blockSize);
  const first = BigInt(pool.poolId) << poolBits;
  const block = (packetId - first) >> blockBits;
  const fromBlock = block - (block % blocksPerRun);
  const runs = BigInt(Math.max(1, Math.floor(packets / runPacketsMax)));
  const from = first + (fromBlock << blockBits);
  const to = from + ((runs * blocksPerRun) << blockBits);
  const end = endOf(pool);
  return { from, to: to < end ? to : end };
}

export function startOf({ poolId }: AuditedPool): bigint {
  return BigInt(poolId) << poolBits;
}

/** The first id behind the pool's. */
export function endOf({ poolId }: AuditedPool): bigint {
  return BigInt(poolId + 1) << poolBits;
}

/** The number in its pool of a range's first packet. */
export function packetNoOf(pool: AuditedPool, id: bigint): number {
  return safeNumber((id - startOf(pool)) >> blockBits) * pool.blockSize;
}

/** The id of a packet by its number in its pool. */
export function packetIdAt({ poolId, blockSize }: AuditedPool, packetNo: number): bigint {
  return packetIdOf({ poolId, blockNo: Math.floor(packetNo / blockSize), index: packetNo % blockSize });
}

/** SQL: what `(packet_id, block_size)` is in its pool, for an id whose index is below the block size. */
export const packetNoSql = (id: string, blockSize: string) =>
  `(((${id} >> 8) & 2147483647) * ${blockSize} + (${id} & 255))`;

const [digit0, digit9] = [48, 57];

/** Reads `{1,2,3}`, the text of an array of numbers of at least 0 without nulls: the driver's own way takes ten times as long. */
export function parseIntegers(text: string | null): number[] {
  const numbers: number[] = [];
  if (text === null || text === '{}') return numbers;
  let value = 0;
  for (let i = 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= digit0 && code <= digit9) {
      value = value * 10 + code - digit0;
    } else {
      numbers.push(value);
      value = 0;
    }
  }
  return numbers;
}
