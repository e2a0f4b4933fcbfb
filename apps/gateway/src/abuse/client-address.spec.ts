import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countedAddressOf, plainAddressOf, TrustedProxies } from './client-address.ts';

describe('an address as sockets and proxies write it', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    [' 203.0.113.9 ', '203.0.113.9'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:203.0.113.9', '203.0.113.9'],
    ['2001:DB8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
  ])('%s is %s', (text, address) => expect(plainAddressOf(text)).toBe(address));

  it.each([
    undefined,
    '',
    ' ',
    'unknown',
    '_hidden',
    '203.0.113',
    '203.0.113.256',
    '[203.0.113.9',
    '2001:db8::1::2',
    'a'.repeat(5000),
  ])('%s is none', (text) => expect(plainAddressOf(text)).toBeUndefined());
});

describe('what an address is counted by', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:1::', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ])('%s by %s', (address, counted) => expect(countedAddressOf(address)).toBe(counted));

  it('is one and the same for all of a /64, however it is written, and another for the next /64', () => {
    const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
    const written = (parts: number[]): string => parts.map((part) => part.toString(16)).join(':');
    // the longest notation and the one that URL makes, which shortens zeros
    const shortened = (parts: number[]): string => new URL(`http://[${written(parts)}]`).hostname.slice(1, -1);
    fc.assert(
      fc.property(groups, groups, (one, other) => {
        const same = [...one.slice(0, 4), ...other.slice(4)];
        expect(isIP(shortened(same))).toBe(6);
        expect(countedAddressOf(shortened(same))).toBe(countedAddressOf(written(one)));
        const next = one.with(3, one[3]! ^ 1);
        expect(countedAddressOf(shortened(next))).not.toBe(countedAddressOf(written(one)));
      }),
    );
  });
});

describe('trusted proxies', () => {
  const proxies = new TrustedProxies([
    { address: '10.0.0.0', prefixLength: 8 },
    { address: '2001:db8:ffff::', prefixLength: 48 },
    { address: '192.0.2.7', prefixLength: 32 },
  ]);

  it('are those in the networks, of either family', () => {
    expect(['10.1.2.3', '192.0.2.7', '2001:db8:ffff::9'].every((address) => proxies.trusts(address))).toBe(true);
    expect(['11.1.2.3', '192.0.2.8', '2001:db8:fffe::9', '::1'].some((address) => proxies.trusts(address))).toBe(false);
    expect(new TrustedProxies([]).trusts('127.0.0.1')).toBe(false);
  });

  it.each([
    ['the only one', '203.0.113.9', '203.0.113.9'],
    ['the rightmost that is no proxy', '1.1.1.1, 203.0.113.9, 10.0.0.2', '203.0.113.9'],
    ['not what the client wrote itself', '10.9.9.9, 203.0.113.9', '203.0.113.9'],
    ['the leftmost when all are proxies', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['the last known when the next is no address', '203.0.113.9, unknown, 10.0.0.2', '10.0.0.2'],
    ['the proxy without the header', undefined, '10.0.0.1'],
    ['the proxy with an empty header', '', '10.0.0.1'],
    ['an IPv6 one', '2001:db8::5, 2001:db8:ffff::1', '2001:db8::5'],
    ['one of the last hops of a very long header', `${'10.0.0.9, '.repeat(500)}10.0.0.8`, '10.0.0.9'],
  ])('lead to the client: %s', (_what, header, client) =>
    expect(proxies.clientBehind('10.0.0.1', header)).toBe(client),
  );
});
