import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OptionsError, parseBackupOptions, parseRestoreOptions } from './options.ts';

describe('the options of backup and restore', () => {
  it('have the defaults of npm start', () => {
    expect(parseBackupOptions(['--to', 'b'], {})).toEqual({ dataDir: resolve('.data'), to: resolve('b') });
    expect(parseRestoreOptions(['--from', 'b'], {})).toEqual({
      from: resolve('b'),
      dataDir: resolve('.data'),
      hadLaterHistory: true,
      stockLeadMs: 2000,
      hasExternalRedis: false,
    });
  });

  it('read what is given', () => {
    const env = { DATA_DIR: '/data', STOCK_LEAD_MS: '5000', REDIS_URL: 'redis://r' };
    expect(parseRestoreOptions(['--from', '/b', '--no-later-history'], env)).toEqual({
      from: '/b',
      dataDir: '/data',
      hadLaterHistory: false,
      stockLeadMs: 5000,
      hasExternalRedis: true,
    });
    expect(parseBackupOptions(['--help'], {})).toBe('help');
  });

  it('are refused when one is missing or wrong, and where the database is not of DATA_DIR', () => {
    const refusals: [() => unknown, RegExp][] = [
      [() => parseBackupOptions([], {}), /--to DIR is missing/],
      [() => parseRestoreOptions([], {}), /--from DIR is missing/],
      [() => parseBackupOptions(['--into', 'b'], {}), /--into/],
      [() => parseBackupOptions(['--to', 'b'], { DATABASE_URL: 'postgresql://h/d' }), /DATABASE_URL is set/],
      [() => parseRestoreOptions(['--from', 'b'], { STOCK_LEAD_MS: '1' }), /STOCK_LEAD_MS/],
    ];
    for (const [parse, message] of refusals) {
      expect(parse).toThrow(message);
      expect(parse).toThrow(OptionsError);
    }
  });
});
