import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { keyRingSchema } from '#libs/contracts';
import { createTestDatabase, type TestDatabase } from '#libs/database/testing';
import { type Claim, createKeyRing, packetIdOf, signClaim } from '#libs/domain';
import { freePort, type LocalServer } from '#libs/localservers';
import { startTestRedis } from '#libs/localservers/testing';
import { type Stack, startStack } from '../../scripts/stack/index.ts';
import { send, type WireRequest } from './fuzz-wire.ts';
import { ledgerFigures } from './hostile-ledger.ts';
import { audience, issuer, type SessionKeys, sessionKeys, sessionSecret, signSession } from './hostile-sessions.ts';
import { call, until } from './http.ts';
import { smallPlan } from './plans.ts';

const keyOf = (name: string) => createHash('sha256').update(name).digest('base64url');
/** Rings of a rotation: before it, while both keys verify, and when the old one is gone. */
export const rings = {
  old: `1:${keyOf('old')}`,
  both: `2:${keyOf('new')},1:${keyOf('old')}`,
  new: `2:${keyOf('new')}`,
};
export const ticketTtlMs = 120_000;
export const sponsorCount = 3;
export const portionCount = 8;

// biome-ignore lint/suspicious/noExplicitAny: asserted field by field
export type Said = { readonly status: number; readonly body: any };

/** What all stacks of a stage share: the stores, and the address of the session keys. */
interface Parts {
  readonly dataDir: string;
  readonly db: TestDatabase;
  readonly redis: LocalServer;
  readonly jwks: Server;
}

interface OutBlock {
  readonly pool_id: number;
  readonly block_no: number;
  readonly block_size: number;
  readonly epoch: number;
  readonly sponsor_no: number;
}

/** A system of two gateways whose services can be started anew with other keys while its stores, and its events, live on. */
export class HostileStage {
  /** Packets that were minted, by event and sponsor: none is minted twice. */
  private readonly minted = new Map<string, number>();

  private constructor(
    public stack: Stack,
    readonly keys: SessionKeys,
    private readonly parts: Parts,
  ) {}

  get db(): TestDatabase {
    return this.parts.db;
  }

  static async start(): Promise<HostileStage> {
    const dataDir = mkdtempSync(join(tmpdir(), 'hongbao-e2e-'));
    const [db, redis, keys] = await Promise.all([createTestDatabase(), startTestRedis(), sessionKeys()]);
    const jwks = await serveJwks(keys);
    const parts = { dataDir, db, redis, jwks };
    return new HostileStage(await startStack(await optionsOf(parts, rings.old)), keys, parts);
  }

  /** Ends all services and starts them with another ring. */
  async rotate(ring: string): Promise<void> {
    await this.stack.stop();
    this.stack = await startStack(await optionsOf(this.parts, ring));
  }

  async stop(): Promise<void> {
    const { dataDir, db, redis, jwks } = this.parts;
    await this.stack.stop();
    await redis.stop();
    await db.drop();
    jwks.closeAllConnections();
    await new Promise((resolve) => jwks.close(resolve));
    rmSync(dataDir, { recursive: true, force: true });
  }

  /** A session of this user; of each call another one. */
  session(userId: string): string {
    return signSession({ sub: userId, jti: randomUUID() });
  }

  /** One call on a connection of its own: such calls meet both gateways in turn. */
  async call(
    method: string,
    path: string,
    token: string,
    more: { body?: unknown; state?: string } = {},
  ): Promise<Said> {
    const { body, state } = more;
    const headers: WireRequest['headers'] = [
      ['Authorization', `Bearer ${token}`],
      ...(state === undefined ? [] : [['X-Shake-State', state] as const]),
    ];
    const content = body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) };
    const answer = await send(Number(new URL(this.stack.gatewayUrl).port), {
      method,
      target: path,
      headers,
      ...content,
    });
    if (answer === undefined) throw new Error(`${method} ${path}: no answer`);
    return { status: answer.status, body: JSON.parse(answer.body) };
  }

  open(ticket: string, token: string, more: { receipt?: string; state?: string } = {}): Promise<Said> {
    const { receipt, state } = more;
    const body = { ticket, ...(receipt === undefined ? {} : { receipt }) };
    return this.call('POST', '/v1/packets/open', token, { body, ...(state === undefined ? {} : { state }) });
  }

  /** Opens until there is an outcome. */
  opened(ticket: string, token: string, state?: string): Promise<Said> {
    return decided(() => this.open(ticket, token, state === undefined ? {} : { state }));
  }

  grab(shareToken: string, token: string): Promise<Said> {
    return this.call('POST', `/v1/shares/${shareToken}/grab`, token);
  }

  async share(packetId: string, token: string, ticket?: string): Promise<Said> {
    return await this.call(
      'POST',
      `/v1/packets/${packetId}/share`,
      token,
      ticket === undefined ? {} : { body: { ticket } },
    );
  }

  /** A live event with packets of every sponsor out. */
  async liveEvent(): Promise<string> {
    const durationMs = 900_000;
    const options = { packetsPerSponsor: 2048, sponsors: sponsorCount, durationMs, ticketTtlMs };
    const plan = smallPlan({ ...options, sharePortions: portionCount, sharesLastMs: durationMs });
    const { id } = (await this.ops('POST', '/events', { ...plan, reason: 'test' })).body;
    expect((await this.ops('POST', `/events/${id}/arm`, { reason: 'test' })).status).toBe(200);
    const ask = () => Promise.all(Array.from({ length: 4 }, () => this.call('GET', `/v1/events/${id}`, 'none')));
    await until('the live event', ask, (answers) => answers.every(({ body }) => body.state === 'live'));
    return id;
  }

  ops(method: string, path: string, body?: unknown): Promise<Said> {
    const options = body === undefined ? {} : { body };
    return call(method, `${this.stack.opsUrl}/ops/v1${path}`, { token: this.stack.opsToken, ...options });
  }

  /** What a gateway that has this block would issue: a ticket for the next packet of the sponsor, from the end of a block. */
  async claim(eventId: string, userId: string, sponsorNo = 0): Promise<Claim> {
    const key = `${eventId}/${sponsorNo}`;
    const n = this.minted.get(key) ?? 0;
    this.minted.set(key, n + 1);
    const [block] = await until(
      'a block that is out',
      () => this.outBlocks(eventId, sponsorNo, Math.floor(n / 16)),
      ({ length }) => length === 1,
    );
    const { pool_id: poolId, block_no: blockNo, block_size: blockSize, epoch } = block!;
    const packetId = packetIdOf({ poolId, blockNo, index: blockSize - 1 - (n % 16) });
    return {
      kind: 'ticket',
      eventId: Number(eventId),
      packetId,
      epoch,
      sponsorNo,
      atMs: Date.now() + ticketTtlMs,
      userId,
    };
  }

  async ticket(eventId: string, userId: string, sponsorNo = 0): Promise<string> {
    return signed(await this.claim(eventId, userId, sponsorNo));
  }

  private async outBlocks(eventId: string, sponsorNo: number, offset: number): Promise<OutBlock[]> {
    const { rows } = await this.db.pool.query<OutBlock>(
      `SELECT b.pool_id, b.block_no, p.block_size, b.epoch, p.sponsor_no FROM blocks b JOIN pools p ON p.id = b.pool_id
        WHERE p.event_id = $1 AND p.sponsor_no = $2 AND b.state IN ('out', 'retired') ORDER BY b.block_no OFFSET $3 LIMIT 1`,
      [Number(eventId), sponsorNo, offset],
    );
    return rows;
  }

  /** An open that is accepted while nobody can settle it; whoever could stays stopped until `goOn`. */
  async pendingOpen(ticket: string, token: string): Promise<{ receipt: string; packetId: string; goOn: () => void }> {
    const { pid } = this.stack.process('allocation');
    process.kill(pid, 'SIGSTOP');
    try {
      const { status, body } = await this.open(ticket, token);
      expect([status, body.status]).toEqual([202, 'pending']);
      return { ...body, goOn: () => process.kill(pid, 'SIGCONT') };
    } catch (error) {
      process.kill(pid, 'SIGCONT');
      throw error;
    }
  }

  /** Runs what must leave no trace: afterwards every count and sum is what it was, and every fen of the event is accounted for. */
  async untouched(eventId: string, work: () => Promise<void>): Promise<void> {
    const before = await ledgerFigures(this.db.pool);
    await work();
    expect(await ledgerFigures(this.db.pool)).toEqual(before);
    await this.balanced(eventId);
  }

  async balanced(eventId: string): Promise<void> {
    const { body } = await this.ops('GET', `/events/${eventId}/reconciliation`);
    expect(body).toMatchObject({ balanced: true, violations: [] });
    expect(body.grantedFen + body.grabbedFen + body.refundedFen + body.unclaimedFen).toBe(body.budgetFen);
  }
}

/** Asks until the answer is neither `pending` nor `ask again`. */
export function decided(ask: () => Promise<Said>): Promise<Said> {
  return until('an outcome', ask, ({ status }) => status !== 202 && status !== 503);
}

export function signed(claim: Claim, ring: string = rings.old): string {
  return signClaim(createKeyRing(keyRingSchema.parse(ring)), claim);
}

async function serveJwks({ jwks }: SessionKeys): Promise<Server> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(jwks));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function optionsOf(parts: Parts, ring: string) {
  const { dataDir, db, redis, jwks } = parts;
  return {
    dataDir,
    port: await freePort(),
    opsPort: await freePort(),
    gateways: 2,
    split: false,
    demoEvent: false,
    databaseUrl: db.url,
    redisUrl: redis.url,
    env: {
      LOG_LEVEL: 'warn',
      TIER_CONTROL: 'off',
      LOCAL_ADMISSION: 'off',
      TICKET_KEYS: ring,
      SESSION_SECRET: sessionSecret,
      SESSION_JWKS_URL: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks.json`,
      SESSION_ISSUER: issuer,
      SESSION_AUDIENCE: audience,
    },
  };
}
