import { describe, expect, it } from 'vitest';
import { publicAddressOf } from './public-address.ts';

describe('the public address', () => {
  it.each([
    [{ host: 'hongbao.example:3000' }, 'http://hongbao.example:3000'],
    [{ host: '[::1]:3000' }, 'http://[::1]:3000'],
    [{ host: 'hongbao.example', 'x-forwarded-proto': 'https' }, 'https://hongbao.example'],
    [{ host: 'hongbao.example', 'x-forwarded-proto': 'javascript' }, 'http://hongbao.example'],
    [{ host: 'evil.example/path?' }, 'http://localhost'],
    [{ host: 'a\r\nb' }, 'http://localhost'],
    [{}, 'http://localhost'],
  ])('of %j is %s', (headers, address) => {
    expect(publicAddressOf({ headers })).toBe(address);
  });
});
