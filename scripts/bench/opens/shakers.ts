import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { packetRefOf, verifyClaim } from '#libs/domain';
import { readOpenAnswer } from '../driver/open-answers.ts';
import { TokenMaker } from '../measure/tokens.ts';
import type { BenchSystem } from './bench-system.ts';
import { userNameOf } from './workload.ts';

const connections = 64;
const tickMs = 5;
const shakesPerTick = 2;
/** A shake or an open that hangs is given up: the next one asks anew. */
const requestMaxMs = 2000;
/** An impatient phone: it asks again at once where the gateway names longer waits, so that waits are not what is measured. */
const againMaxMs = 50;

/** Who won, when, and when it was credited; monotonic milliseconds. */
export interface Winner {
  readonly userName: string;
  readonly packetId: bigint;
  readonly poolId: number;
  readonly blockNo: number;
  readonly wonAtMs: number;
  creditedAtMs?: number;
  outcome?: string;
  amountFen?: number;
}

/** Users who come one after the other, shake once, and open what they win until there is an outcome. */
export class Shakers {
  readonly winners: Winner[] = [];
  private readonly agent = new Agent({ connections, pipelining: 1 });
  private readonly tokens: TokenMaker;
  private readonly underWay = new Set<Promise<void>>();
  private isShaking = true;
  /** The first thing that no fault of the system explains. */
  private fault: unknown;
  private shaking: Promise<void> = Promise.resolve();

  constructor(
    private readonly system: BenchSystem,
    private readonly eventId: string,
    private readonly newUser: () => number,
  ) {
    this.tokens = new TokenMaker(system.secrets.SESSION_SECRET, 'rebuild', Math.floor(Date.now() / 1000));
  }

  start(): void {
    this.shaking = this.run();
  }

  /** No more shakes; resolves when everybody who won has an outcome. */
  async stop(): Promise<void> {
    this.isShaking = false;
    await this.shaking;
    await Promise.all(this.underWay);
    await this.agent.close();
    if (this.fault !== undefined) throw this.fault;
  }

  private async run(): Promise<void> {
    while (this.isShaking) {
      for (let no = 0; no < shakesPerTick && this.underWay.size < connections; no++) {
        const play = this.play(userNameOf(this.newUser())).catch((error: unknown) => {
          this.fault ??= error;
        });
        this.underWay.add(play);
        void play.finally(() => this.underWay.delete(play));
      }
      await delay(tickMs);
    }
  }

  private async play(userName: string): Promise<void> {
    const token = this.tokens.makeFor(userName);
    const { gatewayUrl } = this.system.stack;
    const shaken = await this.post(gatewayUrl, `/v1/events/${this.eventId}/shake`, token);
    const ticket = shaken === undefined ? undefined : (JSON.parse(shaken.body) as { ticket?: string }).ticket;
    if (ticket === undefined) return;
    const claim = verifyClaim(this.system.ring, 'ticket', ticket);
    if (claim === undefined) throw new Error('a gateway signed a ticket that does not verify');
    const { packetId } = claim;
    const { poolId, blockNo } = packetRefOf(packetId);
    const winner: Winner = { userName, packetId, poolId, blockNo, wonAtMs: performance.now() };
    this.winners.push(winner);
    await this.open(winner, token, ticket);
  }

  private async open(winner: Winner, token: string, ticket: string): Promise<void> {
    let receipt: string | undefined;
    for (;;) {
      const body = JSON.stringify({ ticket, ...(receipt === undefined ? {} : { receipt }) });
      const answer = await this.post(this.system.stack.moneyUrl, '/v1/packets/open', token, body);
      const reading = answer && readOpenAnswer(answer.status, answer.body, String(winner.packetId));
      if (reading?.kind === 'outcome') {
        winner.outcome = reading.outcome;
        winner.amountFen = reading.amountFen;
        if (reading.outcome === 'credited') winner.creditedAtMs = performance.now();
        return;
      }
      receipt = reading?.receipt ?? receipt;
      await delay(againMaxMs);
    }
  }

  /** Undefined when there is no answer. */
  private async post(
    origin: string,
    path: string,
    token: string,
    body?: string,
  ): Promise<{ status: number; body: string } | undefined> {
    const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) };
    const signal = AbortSignal.timeout(requestMaxMs);
    try {
      const answer = await this.agent.request({ origin, path, method: 'POST', headers, body: body ?? null, signal });
      return { status: answer.statusCode, body: await answer.body.text() };
    } catch (error) {
      if (error instanceof Error) return undefined;
      throw error;
    }
  }
}
