import type { IncomingMessage, ServerResponse } from 'node:http';
import { isoOf } from '#libs/contracts';
import {
  eventPhaseAt,
  type HashKey,
  luckKeyOf,
  luckOf,
  packetIdOf,
  shakeSlot,
  signClaim,
  signShakeState,
  startOffsetMs,
} from '#libs/domain';
import type { GatewayEvent } from '../../../apps/gateway/src/events/gateway-event.ts';
import type { GatewayParts } from '../../../apps/gateway/src/gateway-parts.ts';
import { type PreparedAnswer, prepareAnswer, sendPrepared } from '../../../apps/gateway/src/process/raw-answer.ts';
import { limitAnswer, missOf, notStartedAnswer, overAnswer } from '../../../apps/gateway/src/shake/shake-answers.ts';
import type { RedisDraw } from './redis-draw.ts';

const path = /^\/v1\/events\/([^/?]+)\/shake$/;
const readyMisses = 64;
const refused = { status: 503, headers: ['content-length', '0'], body: '' };

/** The gateway's shake with the draw in Redis: the same door, sessions, window, stagger, luck and answers. */
export class RedisDrawHandler {
  private readonly luckKeys = new Map<number, HashKey>();
  private readonly misses: PreparedAnswer[] = [];
  private missed = 0;

  constructor(
    private readonly parts: GatewayParts,
    private readonly redisDraw: RedisDraw,
  ) {}

  /** False: not a shake. */
  tryHandle(request: IncomingMessage, response: ServerResponse): boolean {
    const idText = request.method === 'POST' ? path.exec(request.url!)?.[1] : undefined;
    if (idText === undefined) return false;
    const event = this.parts.book.findByText(idText);
    this.answer(request.headers.authorization, event).then(
      (answer) => sendPrepared(response, answer),
      () => {
        this.parts.shakeCounters.refused += 1;
        sendPrepared(response, refused);
      },
    );
    return true;
  }

  private async answer(authorization: string | undefined, event: GatewayEvent | undefined): Promise<PreparedAnswer> {
    const { sessions, time, shakeCounters } = this.parts;
    if (event === undefined) throw new Error('there is no such event');
    const { user } = sessions.cached(authorization) ?? (await sessions.verify(authorization));
    const { snapshot } = event;
    const nowMs = time.approxMs();
    if (eventPhaseAt(snapshot, nowMs) === 'over') return overAnswer;
    const startsAtMs = snapshot.startsAtMs + startOffsetMs(snapshot.id, user, snapshot.staggerMs);
    if (nowMs < startsAtMs) return notStartedAnswer(startsAtMs - nowMs);
    const luck = luckOf(this.luckKeyOf(snapshot.id), user, shakeSlot(nowMs, startsAtMs, snapshot.shakeIntervalMs));
    const drawn = await this.redisDraw.draw(`${user.low}.${user.high}`, snapshot.perUserMax, luck);
    shakeCounters.results[drawn.result] += 1;
    if (drawn.result === 'hit') return this.hit(authorization, event, drawn.packet, nowMs);
    return drawn.result === 'limit' ? limitAnswer : this.miss(event);
  }

  private luckKeyOf(eventId: number): HashKey {
    const key = this.luckKeys.get(eventId) ?? luckKeyOf(Buffer.from(this.parts.config.LUCK_SECRET), eventId);
    this.luckKeys.set(eventId, key);
    return key;
  }

  private miss({ snapshot }: GatewayEvent): PreparedAnswer {
    this.missed = (this.missed + 1) % readyMisses;
    this.misses[this.missed] ??= prepareAnswer(missOf(snapshot.shakeIntervalMs + this.missed));
    return this.misses[this.missed]!;
  }

  private async hit(
    authorization: string | undefined,
    { snapshot, sponsors }: GatewayEvent,
    packet: number,
    nowMs: number,
  ): Promise<PreparedAnswer> {
    const { ring, sessions } = this.parts;
    const { id: eventId, ticketTtlMs, shakeIntervalMs } = snapshot;
    const { poolId, sponsorNo } = snapshot.pools[packet % snapshot.pools.length]!;
    const { userId } = await sessions.verify(authorization);
    const packetId = packetIdOf({ poolId, blockNo: packet >> 8, index: packet & 255 });
    const expiresAtMs = nowMs + ticketTtlMs;
    const wins = [{ packetId, sponsorNo, expiresAtMs }];
    return prepareAnswer({
      result: 'hit',
      ticket: signClaim(ring, { kind: 'ticket', eventId, packetId, epoch: 1, sponsorNo, atMs: expiresAtMs, userId }),
      packetId: String(packetId),
      sponsor: sponsors.get(sponsorNo),
      expiresAt: isoOf(expiresAtMs),
      state: signShakeState(ring, { eventId, userId, wins }),
      nextShakeMs: shakeIntervalMs,
    });
  }
}
