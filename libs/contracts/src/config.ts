/**
 * Settings of each service, by environment only. One schema per service; a service is started with exactly what it needs:
 * a gateway has no DATABASE_URL and nobody but allocation sees an event secret. Parsed once by `loadConfig` of libs/runtime.
 */
import { z } from 'zod';
import { gatewayRoleSchema } from './primitives.schema.ts';

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback);
const publicPort = z.coerce.number().int().min(1).max(65_535).optional();
const url = (...protocols: string[]) =>
  z.url({ protocol: new RegExp(`^(${protocols.join('|')})$`), error: `must be a ${protocols.join(' or ')} URL` });
const httpUrl = url('https?').transform((text) => text.replace(/\/$/, ''));
const secret = z.string().min(16, 'at least 16 characters');
const onOff = z.enum(['on', 'off']);

/** A ring holds the signing key, its successor and a few that fade out (libs/domain refuses more). */
const ringKeysMax = 8;
const keyEntry = /^(\d{1,3}):([A-Za-z0-9_-]{43,})$/;

/** `id:base64url[,id:base64url…]`, ids 0 to 255, keys of at least 32 bytes; the first signs, all verify. */
export const keyRingSchema = z.string().transform((text, context) => {
  const keys = text.split(',').map((part) => {
    const match = keyEntry.exec(part.trim());
    return match && Number(match[1]) <= 255
      ? { id: Number(match[1]), key: Buffer.from(match[2]!, 'base64url') }
      : undefined;
  });
  const valid = keys.filter((key) => key !== undefined);
  if (
    valid.length !== keys.length ||
    keys.length > ringKeysMax ||
    new Set(valid.map((key) => key.id)).size !== keys.length
  ) {
    context.addIssue({
      code: 'custom',
      message:
        'must be id:key[,id:key…], 8 keys at most, with distinct ids 0-255 and base64url keys of at least 32 bytes',
    });
    return z.NEVER;
  }
  return valid;
});

/** Networks of proxies that one installation has. */
const networksMax = 256;
const network = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]);
const wholeAddressBits = (address: string): number => (address.includes(':') ? 128 : 32);

/** `10.0.0.0/8,2001:db8::/32,192.0.2.7`: networks in CIDR notation; an address alone is a network of one. */
export const networksSchema = z.string().transform((text, context) => {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length > networksMax || !parts.every((part) => network.safeParse(part).success)) {
    context.addIssue({ code: 'custom', message: `must be address/bits[,address/bits…], ${networksMax} at most` });
    return z.NEVER;
  }
  return parts.map((part) => {
    const [address = '', bits] = part.split('/');
    return { address, prefixLength: bits === undefined ? wholeAddressBits(address) : Number(bits) };
  });
});

/** A limit per address and second at one gateway process; ten seconds' worth may come at once. */
const perAddressPerSecond = (fallback: number) => z.coerce.number().int().min(1).max(1_000_000).default(fallback);

const common = {
  HOST: z.string().default('127.0.0.1'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** Prometheus metrics on a port of their own; 0 = any free port. */
  METRICS_PORT: port(0),
  INTERNAL_TOKEN: secret,
  SHUTDOWN_TIMEOUT_MS: z.coerce.number().int().min(100).max(600_000).default(15_000),
};
/** `off`: the process never steps back by itself. For comparisons (`npm run bench -- overload`), not for service. */
const admission = { LOCAL_ADMISSION: onOff.default('on') };
const redis = { REDIS_URL: url('redis', 'rediss') };
const database = {
  DATABASE_URL: url('postgres', 'postgresql'),
  DATABASE_POOL_MAX: z.coerce.number().int().min(2).max(200).default(10),
};

export const gatewayConfigSchema = z
  .object({
    ...common,
    ...redis,
    ...admission,
    PORT: port(3000),
    GATEWAY_ROLE: gatewayRoleSchema.default('all'),
    /** Names this process in replies and samples; unique. Absent: made from host and process id. */
    GATEWAY_ID: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/)
      .optional(),
    TICKET_KEYS: keyRingSchema,
    /** Keys luck, start offsets and user priority: the same on all gateways, and kept for as long as events live. */
    LUCK_SECRET: z.string().min(32, 'at least 32 characters'),
    SESSION_SECRET: secret.optional(),
    SESSION_JWKS_URL: httpUrl.optional(),
    SESSION_ISSUER: z.string().optional(),
    SESSION_AUDIENCE: z.string().optional(),
    GUEST_SESSIONS: onOff.default('off'),
    /** Verified sessions kept in memory by one process, 36 bytes each; more are verified again when they come back. */
    SESSIONS_CACHED_MAX: z.coerce.number().int().min(1000).max(40_000_000).default(1_000_000),
    /** Proxies whose X-Forwarded-For is believed: networks in CIDR notation. Absent: none, the peer is the client. */
    TRUSTED_PROXIES: networksSchema.default([]),
    /*
     * What one address (IPv4, or the /64 of an IPv6) may do at one gateway process. The defaults let fifty thousand phones behind one
     * carrier's address connect and sign in at once; where no such crowds are expected, lower them.
     */
    CONNECTIONS_PER_ADDRESS_MAX: z.coerce.number().int().min(1).max(60_000).default(55_000),
    /** Sessions that were not seen before. */
    NEW_SESSIONS_PER_ADDRESS_PER_SECOND: perAddressPerSecond(6000),
    /** Answers 401. */
    FAILED_SESSIONS_PER_ADDRESS_PER_SECOND: perAddressPerSecond(6000),
    /** Shakes long before the time that the answer before them named. */
    EARLY_SHAKES_PER_ADDRESS_PER_SECOND: perAddressPerSecond(6000),
    GUEST_SESSIONS_PER_ADDRESS_PER_SECOND: perAddressPerSecond(6000),
    ALLOCATION_URL: httpUrl,
    SHARE_URL: httpUrl,
    /** Public base addresses told to clients; absent: the address the client used. */
    SHAKE_ENDPOINT: httpUrl.optional(),
    MONEY_ENDPOINT: httpUrl.optional(),
    /** Ports on which clients find the two on the host that they used, where no address is set; absent: the port they used. */
    SHAKE_PORT: publicPort,
    MONEY_PORT: publicPort,
    /** An open that is accepted later than this after verification is refused with 503. */
    OPEN_ACCEPT_MAX_MS: z.coerce.number().int().min(50).max(10_000).default(1000),
    /** How long an open waits for its outcome before it answers `pending`. */
    OPEN_REPLY_WAIT_MS: z.coerce.number().int().min(0).max(10_000).default(1500),
    OPENS_IN_FLIGHT_MAX: z.coerce.number().int().min(1).max(1_000_000).default(10_000),
  })
  .refine((config) => config.SESSION_SECRET !== undefined || config.SESSION_JWKS_URL !== undefined, {
    error: 'SESSION_SECRET or SESSION_JWKS_URL is required',
    path: ['SESSION_SECRET'],
  })
  .refine((config) => config.GUEST_SESSIONS === 'off' || config.SESSION_SECRET !== undefined, {
    error: 'GUEST_SESSIONS=on needs SESSION_SECRET',
    path: ['GUEST_SESSIONS'],
  });

/** As many as the database's own CHECK allows. */
const laneCount = (fallback: number) => z.coerce.number().int().min(1).max(64).default(fallback);

export const allocationConfigSchema = z.object({
  ...common,
  ...redis,
  ...database,
  /** At least what settlement, stocker, commands, reports, plans and reads hold at once (apps/allocation, resources.ts). */
  DATABASE_POOL_MAX: z.coerce.number().int().min(9).max(200).default(10),
  PORT: port(3201),
  OPEN_LANES: laneCount(4),
  GRAB_LANES: laneCount(2),
  /** Time after the last possible acceptance of a ticket before its block may be reissued. */
  GRACE_MS: z.coerce.number().int().min(100).max(600_000).default(2000),
  /**
   * Time that phones have, after Redis was replaced, to come again with receipts of opens that only they know of: an event that had blocks out
   * then is not settled before. Above the longest time from one open of the SDK to the next, 112.5 s: five waits of `pollMaxMs` and half as much.
   */
  RECEIPT_GRACE_MS: z.coerce.number().int().min(100).max(600_000).default(120_000),
  /** How far ahead of the release curve blocks are stocked. */
  STOCK_LEAD_MS: z.coerce.number().int().min(100).max(60_000).default(2000),
});

export const shareConfigSchema = z.object({
  ...common,
  ...redis,
  ...database,
  ...admission,
  PORT: port(3202),
  SHARE_ID: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/)
    .optional(),
  TICKET_KEYS: keyRingSchema,
  GRAB_ACCEPT_MAX_MS: z.coerce.number().int().min(50).max(10_000).default(1000),
  GRAB_REPLY_WAIT_MS: z.coerce.number().int().min(0).max(10_000).default(1500),
  GRABS_IN_FLIGHT_MAX: z.coerce.number().int().min(1).max(1_000_000).default(10_000),
});

export const opsConfigSchema = z.object({
  ...common,
  ...redis,
  ...database,
  OPS_PORT: port(3100),
  OPS_TOKEN: secret,
  OPS_VIEWER_TOKEN: secret.optional(),
  /**
   * Proxies whose X-Forwarded-For is believed: networks in CIDR notation. Absent: none, the peer is the client. Wrong tokens are counted by
   * the client's address: without this all who come through a proxy count as one.
   */
  TRUSTED_PROXIES: networksSchema
    .refine((networks) => networks.every(({ prefixLength }) => prefixLength > 0), 'a network of 0 bits is everybody')
    .default([]),
  ALLOCATION_URL: httpUrl,
  OPEN_LANES: laneCount(4),
  GRAB_LANES: laneCount(2),
  /** Names this process as leader; unique. Absent: made from host and process id. */
  OPS_ID: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/)
    .optional(),
  /** `off`: the signals are watched and shown, but the tier is 0 unless an operator sets another. The same for all ops processes. */
  TIER_CONTROL: onOff.default('on'),
});

export type GatewayConfig = z.infer<typeof gatewayConfigSchema>;
export type AllocationConfig = z.infer<typeof allocationConfigSchema>;
export type ShareConfig = z.infer<typeof shareConfigSchema>;
export type OpsConfig = z.infer<typeof opsConfigSchema>;
