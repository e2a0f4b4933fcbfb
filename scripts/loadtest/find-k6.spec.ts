import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findK6 } from './find-k6.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hongbao-k6-'));
  await writeFile(join(dir, 'k6'), '#!/bin/sh\n');
});
afterEach(() => rm(dir, { recursive: true }));

describe('finding k6', () => {
  it('takes K6_BIN before the PATH, and only what can be executed', async () => {
    expect(findK6({ PATH: dir })).toBeUndefined();
    await chmod(join(dir, 'k6'), 0o755);
    expect(findK6({ PATH: `/nowhere:${dir}` })).toBe(join(dir, 'k6'));
    expect(findK6({ PATH: '', K6_BIN: join(dir, 'k6') })).toBe(join(dir, 'k6'));
    expect(findK6({ PATH: dir, K6_BIN: '/nowhere/k6' })).toBeUndefined();
    expect(findK6({ PATH: '/nowhere', K6_BIN: dir })).toBeUndefined();
  });
});
