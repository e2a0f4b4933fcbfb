import { describe, expect, it } from 'vitest';
import { walSegmentsOf } from './postgres-backup-wal.ts';

const mib16 = 16 * 1024 * 1024;
const range = (startLsn: string, stopLsn: string, timeline = 1, segmentBytes = mib16) =>
  walSegmentsOf({ startLsn, stopLsn, timeline, segmentBytes });

describe('the log segments of a backup', () => {
  it('are all from the one of its start to the one of its end', () => {
    expect(range('0/2000028', '0/2000158')).toEqual(['000000010000000000000002']);
    expect(range('0/2000028', '0/40001A0')).toEqual([
      '000000010000000000000002',
      '000000010000000000000003',
      '000000010000000000000004',
    ]);
  });

  it('end with the segment before when the end lies on a boundary', () => {
    expect(range('0/2000028', '0/3000000')).toEqual(['000000010000000000000002']);
  });

  it('count on over the half of a position, for every size of segments', () => {
    expect(range('0/FF000028', '1/28', 26)).toEqual(['0000001A00000000000000FF', '0000001A0000000100000000']);
    expect(range('0/C0000000', '1/1', 1, 2 ** 30)).toEqual(['000000010000000000000003', '000000010000000100000000']);
  });

  it('are refused when the end is before the start or a position is none', () => {
    expect(() => range('0/4000028', '0/2000028')).toThrow(/cannot begin at/);
    expect(() => range('4000028', '0/5000028')).toThrow(/no position/);
  });
});
