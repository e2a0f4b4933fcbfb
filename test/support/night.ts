import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventPlanInput } from '#libs/contracts';
import { freePort } from '#libs/localservers';
import { type Stack, startStack } from '../../scripts/stack/index.ts';
import { type Answer, call, until } from './http.ts';

export interface NightOptions {
  readonly gateways?: number;
  /** Money has a gateway of its own. */
  readonly split?: boolean;
  readonly env?: Record<string, string>;
}

/** The ring that a test's system signs with, so that a test can make tickets of its own. */
export const testTicketKeys = `1:${Buffer.alloc(32, 'hongbao-test').toString('base64url')}`;

const nightSettings = {
  LOG_LEVEL: 'warn',
  TICKET_KEYS: testTicketKeys,
  // On a busy machine neither the tier nor what a process does by itself is part of what a test is about, unless it says so.
  TIER_CONTROL: 'off',
  LOCAL_ADMISSION: 'off',
  // Tests settle when every phone has its outcome: after Redis was killed nobody is waited for.
  RECEIPT_GRACE_MS: '1000',
};

/** A whole system of its own on free ports with data of its own, and the few calls that every test makes of it. */
export class Night {
  private constructor(
    readonly stack: Stack,
    private readonly dataDir: string,
  ) {}

  static async start(options: NightOptions = {}): Promise<Night> {
    const dataDir = mkdtempSync(join(tmpdir(), 'hongbao-e2e-'));
    const stack = await startStack({
      dataDir,
      port: await freePort(),
      opsPort: await freePort(),
      gateways: options.gateways ?? 1,
      split: options.split ?? false,
      demoEvent: false,
      env: { ...nightSettings, ...options.env },
    });
    return new Night(stack, dataDir);
  }

  async stop(): Promise<void> {
    await this.stack.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** A request to the public door. */
  gateway(method: string, path: string, options: Parameters<typeof call>[2] = {}): Promise<Answer> {
    return call(method, `${this.stack.gatewayUrl}${path}`, options);
  }

  /** A request to ops, as operator unless another token is given. */
  ops(method: string, path: string, body?: unknown, token: string = this.stack.opsToken): Promise<Answer> {
    return call(method, `${this.stack.opsUrl}/ops/v1${path}`, { token, ...(body === undefined ? {} : { body }) });
  }

  async session(userId: string): Promise<string> {
    const { status, body } = await this.gateway('POST', '/v1/sessions', { body: { userId } });
    if (status !== 201) throw new Error(`no session: ${status} ${JSON.stringify(body)}`);
    return body.token;
  }

  /** Creates and arms an event and waits until the gateway shows it live. Returns its id. */
  async liveEvent(plan: EventPlanInput): Promise<string> {
    const created = await this.ops('POST', '/events', { ...plan, reason: 'test' });
    if (created.status !== 201) throw new Error(`event refused: ${JSON.stringify(created.body)}`);
    const { id } = created.body;
    await this.act(id, 'arm');
    // Several gateways are asked in turn: all of them must know it.
    const shown = (url: string) => call('GET', `${url}/v1/events/${id}`);
    const doors = [...Array.from({ length: 6 }, () => this.stack.gatewayUrl), this.stack.moneyUrl];
    const asked = () => Promise.all(doors.map(shown));
    await until('the live event', asked, (answers) => answers.every(({ body }) => body.state === 'live'));
    return id;
  }

  /** One act of an operator that must succeed. */
  async act(eventId: string, action: 'arm' | 'close' | 'settle'): Promise<Answer> {
    const answer = await this.ops('POST', `/events/${eventId}/${action}`, { reason: 'test' });
    if (answer.status !== 200) throw new Error(`${action}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }

  /** Closes the event, settles it as soon as that is possible, and returns the reconciliation after it. */
  // biome-ignore lint/suspicious/noExplicitAny: asserted field by field
  async settled(eventId: string): Promise<any> {
    await this.act(eventId, 'close');
    const settle = () => this.ops('POST', `/events/${eventId}/settle`, { reason: 'test' });
    const answer = await until(
      'settle',
      settle,
      ({ status, body }) => !(status === 409 && body.code === 'too_early'),
      120_000,
    );
    if (answer.status !== 200) throw new Error(`settle: ${answer.status} ${JSON.stringify(answer.body)}`);
    return (await this.ops('GET', `/events/${eventId}/reconciliation`)).body;
  }

  /** Shakes as this user until a hit (or `limit`, `over`), at the pace that the answers ask for. */
  // biome-ignore lint/suspicious/noExplicitAny: asserted field by field
  async shakeUntilHit(eventId: string, token: string, state?: string): Promise<any> {
    const headers = state === undefined ? {} : { 'x-shake-state': state };
    for (let shakes = 0; shakes < 600; shakes += 1) {
      const { status, body } = await this.gateway('POST', `/v1/events/${eventId}/shake`, { token, headers });
      if (status !== 200) throw new Error(`shake: ${status} ${JSON.stringify(body)}`);
      if (body.result !== 'miss' && body.result !== 'rest' && body.result !== 'not_started') return body;
      await new Promise((resolve) => setTimeout(resolve, body.nextShakeMs ?? body.startsInMs));
    }
    throw new Error('600 shakes without a hit');
  }
}
