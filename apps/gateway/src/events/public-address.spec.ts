import { describe, expect, it } from 'vitest';
import { endpointsOf, publicAddressOf } from './public-address.ts';

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

describe('the endpoints', () => {
  const request = { headers: { host: 'phone.local:3000' } };

  it('are the address that the client used when nothing is set', () => {
    expect(endpointsOf({}, request)).toEqual({ shake: 'http://phone.local:3000', money: 'http://phone.local:3000' });
  });

  it('are ports of the host that the client used, whatever that is', () => {
    const ports = { SHAKE_PORT: 3000, MONEY_PORT: 3001 };
    const moneyOf = (host: string) => endpointsOf(ports, { headers: { host } }).money;
    expect(['phone.local:3000', 'phone.local', '[::1]:3000', '[::1]', '192.0.2.7:3001'].map(moneyOf)).toEqual([
      'http://phone.local:3001',
      'http://phone.local:3001',
      'http://[::1]:3001',
      'http://[::1]:3001',
      'http://192.0.2.7:3001',
    ]);
  });

  it('are the addresses that are set, before any port', () => {
    const settings = {
      SHAKE_ENDPOINT: 'https://shake.example',
      SHAKE_PORT: 3000,
      MONEY_ENDPOINT: 'https://money.example',
    };
    expect(endpointsOf(settings, request)).toEqual({ shake: 'https://shake.example', money: 'https://money.example' });
  });
});
