/*
 * Names of write-ahead log segments, as PostgreSQL makes them (src/include/access/xlog_internal.h): timeline, and the segment's number
 * in two halves, 8 hexadecimal digits each.
 */

/** Where a backup begins and ends in the log, as `pg_backup_start` and `pg_backup_stop` say: two hexadecimal halves, `1/2A000028`. */
export type WalRange = { startLsn: string; stopLsn: string; timeline: number; segmentBytes: number };

const lsnPattern = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/;
const halfRange = 2n ** 32n;

/** The names of all segments that the range needs, in order. Throws a RangeError for what is no range. */
export function walSegmentsOf({ startLsn, stopLsn, timeline, segmentBytes }: WalRange): string[] {
  const bytes = BigInt(segmentBytes);
  const first = positionOf(startLsn) / bytes;
  // the end is the first byte after the last record: on a boundary it belongs to the segment before
  const last = (positionOf(stopLsn) - 1n) / bytes;
  if (last < first) throw new RangeError(`a backup cannot begin at ${startLsn} and end at ${stopLsn}`);
  const perHalf = halfRange / bytes;
  const names: string[] = [];
  for (let segment = first; segment <= last; segment++) {
    names.push(hex(BigInt(timeline)) + hex(segment / perHalf) + hex(segment % perHalf));
  }
  return names;
}

function positionOf(lsn: string): bigint {
  const [, high, low] = lsnPattern.exec(lsn) ?? [];
  if (high === undefined || low === undefined) throw new RangeError(`"${lsn}" is no position in the log`);
  return BigInt(`0x${high}`) * halfRange + BigInt(`0x${low}`);
}

function hex(value: bigint): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}
