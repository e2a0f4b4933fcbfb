import { describe, expect, it } from 'vitest';
import { gatewayConfigSchema, keyRingSchema, networksSchema } from './config.ts';

const key = Buffer.alloc(32, 7).toString('base64url');
const gateway = {
  REDIS_URL: 'redis://127.0.0.1:6379',
  INTERNAL_TOKEN: 'x'.repeat(16),
  TICKET_KEYS: `1:${key}`,
  LUCK_SECRET: 'l'.repeat(32),
  SESSION_SECRET: 's'.repeat(16),
  ALLOCATION_URL: 'http://127.0.0.1:3201/',
  SHARE_URL: 'http://127.0.0.1:3202',
};

describe('settings', () => {
  it('takes a key ring with the signing key first', () => {
    expect(keyRingSchema.parse(`9:${key}, 3:${key}`).map(({ id }) => id)).toEqual([9, 3]);
  });

  it.each(['', '1', `256:${key}`, `1:short`, `1:${key},1:${key}`, `1:${key},`])('refuses the key ring %j', (text) => {
    expect(keyRingSchema.safeParse(text).success).toBe(false);
  });

  it('takes networks of trusted proxies, and an address as a network of one', () => {
    expect(networksSchema.parse('10.0.0.0/8, 2001:db8::/32,192.0.2.7,::1')).toEqual([
      { address: '10.0.0.0', prefixLength: 8 },
      { address: '2001:db8::', prefixLength: 32 },
      { address: '192.0.2.7', prefixLength: 32 },
      { address: '::1', prefixLength: 128 },
    ]);
    expect(gatewayConfigSchema.parse(gateway).TRUSTED_PROXIES).toEqual([]);
  });

  it.each([
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '2001:db8::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    'proxy',
    '10.0.0.0/8,',
    '10.0.0.0/-1',
  ])('refuses the networks %j', (text) => expect(networksSchema.safeParse(text).success).toBe(false));

  it('lets fifty thousand phones behind one address in at once, unless it is told otherwise', () => {
    const { CONNECTIONS_PER_ADDRESS_MAX, ...config } = gatewayConfigSchema.parse(gateway);
    expect(CONNECTIONS_PER_ADDRESS_MAX).toBeGreaterThan(50_000);
    expect(config.NEW_SESSIONS_PER_ADDRESS_PER_SECOND * 10).toBeGreaterThan(50_000);
    expect(gatewayConfigSchema.safeParse({ ...gateway, CONNECTIONS_PER_ADDRESS_MAX: '0' }).success).toBe(false);
  });

  it('takes a gateway with what it needs and strips the trailing slash of addresses', () => {
    const config = gatewayConfigSchema.parse(gateway);
    expect(config.ALLOCATION_URL).toBe('http://127.0.0.1:3201');
    expect(config.GUEST_SESSIONS).toBe('off');
  });

  it('refuses a gateway that could verify no session', () => {
    const { SESSION_SECRET: _, ...rest } = gateway;
    expect(gatewayConfigSchema.safeParse(rest).success).toBe(false);
    expect(
      gatewayConfigSchema.safeParse({ ...rest, GUEST_SESSIONS: 'on', SESSION_JWKS_URL: 'https://login.example/jwks' })
        .success,
    ).toBe(false);
    expect(gatewayConfigSchema.safeParse({ ...rest, SESSION_JWKS_URL: 'https://login.example/jwks' }).success).toBe(
      true,
    );
  });
});
