// Failures are counted by an address however it is written, and by what its owner has of addresses.
import { describe, expect, it } from 'vitest';
import { neighbourhoodOf } from './neighbourhood.ts';

describe('a neighbourhood', () => {
  it.each([
    ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2'],
    ['2001:db8::1', '2001:db8::ffff:2'],
    ['2001:0DB8:0:0001::1', '2001:db8:0:1::9'],
    ['::1', '0:0:0:0:0:0:0:9'],
    ['64:ff9b::192.0.2.1', '64:ff9b::1'],
    ['fe80::1%eth0', 'fe80::2%eth1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:50001', '192.0.2.1:50002'],
    ['unknown', '_hidden'],
    ['', undefined],
  ])('takes %s and %s for one', (first, second) => expect(neighbourhoodOf(first)).toBe(neighbourhoodOf(second)));

  it.each([
    ['192.0.2.1', '192.0.2.2'],
    ['2001:db8:0:1::1', '2001:db8:0:2::1'],
    ['2001:db8:1::1', '2001:db8:0:1::1'],
    ['unknown', '192.0.2.1'],
  ])('takes %s and %s for two', (first, second) => expect(neighbourhoodOf(first)).not.toBe(neighbourhoodOf(second)));
});
