import type {
  BeforeApplicationShutdown,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  OnModuleDestroy,
} from '@nestjs/common';
import { admissionStepMs } from '#libs/degradation';
import { subscribeEventsChanged, subscribeReplies } from '#libs/redis';
import type { ReadinessCheck } from '#libs/runtime';
import { breathCheckMs } from '../admission/loop-breath.ts';
import { figuresSinkOf, type GatewayParts } from '../gateway-parts.ts';
import { paceStepMs } from '../shake/pace-keeper.ts';
import { tickMs } from '../shake/shake-rate.ts';
import { lookMs } from '../shake/stock-holder.ts';
import { GatewaySampler, sampleIntervalMs } from './gateway-sampler.ts';
import { takesMoney, takesShakes } from './role.ts';

/** A start waits this long for what is away; then it goes on without, and `/readyz` says what is missing. */
const startWaitMaxMs = 2000;
const producerCloseMaxMs = 3000;
/** It is looked so often whether the store clock's own timer is late. */
const clockIntervalMs = 1000;

/**
 * What runs beside the requests, in order. A stop accepts no more connections and takes no more blocks (onModuleDestroy), waits
 * until every request was answered (beforeApplicationShutdown), and only then closes what they used (onApplicationShutdown). What
 * is in hand is not given back: time brings it back.
 */
export class GatewayLifecycle
  implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly sampler: GatewaySampler;
  private wasFilled = false;
  private heardReplies = false;

  constructor(private readonly parts: GatewayParts) {
    this.sampler = new GatewaySampler(parts, figuresSinkOf(parts), parts.logger);
  }

  async onApplicationBootstrap(): Promise<void> {
    const { config, logger, redis, gatewayId, replies, degradation, book, sessions, frontDoor, openHandler } =
      this.parts;
    const { upkeep, paceKeeper, loopWatch, loopBreath, admissionKeeper } = this.parts;
    sessions.start(logger);
    redis.clock.start();
    if (takesMoney(config.GATEWAY_ROLE)) {
      subscribeReplies(redis.channels, gatewayId, (message) => replies.accept(message));
      frontDoor.serveChecked((request, response) => openHandler.tryHandle(request, response));
    }
    subscribeEventsChanged(redis.channels, () => void book.poll());
    await redis.clock.whenReady(startWaitMaxMs);
    await Promise.all([degradation.start(), book.start(), redis.channels.whenSubscribed(startWaitMaxMs)]);
    if (takesShakes(config.GATEWAY_ROLE)) this.startShakes();
    upkeep.every(paceStepMs, () => paceKeeper.step());
    paceKeeper.start();
    loopWatch.start();
    loopBreath.start();
    upkeep.every(breathCheckMs, () => loopBreath.check());
    upkeep.every(admissionStepMs, () => admissionKeeper.step());
    this.sampler.start();
    upkeep.every(sampleIntervalMs, () => this.sampler.tick());
    upkeep.every(clockIntervalMs, () => redis.clock.keepUp());
    upkeep.start();
  }

  /**
   * What a process of this role needs before it takes work. Once there is enough: Redis going away later does not take the gateway out
   * of rotation, it shakes from what is in hand, and says of each open what it lacks.
   */
  readiness(): ReadinessCheck[] {
    const { config, book, redis } = this.parts;
    const filled = (): boolean => (this.wasFilled ||= book.isLoaded && redis.clock.nowMs() !== undefined);
    const heard = (): boolean => (this.heardReplies ||= redis.channels.isSubscribed);
    return [
      { name: 'redis, its clock and its events', isReady: filled },
      // an open whose reply nobody hears is a `pending` that could have been `credited`
      ...(takesMoney(config.GATEWAY_ROLE) ? [{ name: 'the replies of the lanes', isReady: heard }] : []),
    ];
  }

  async onModuleDestroy(): Promise<void> {
    const { frontDoor, feeds, stockHolder } = this.parts;
    frontDoor.beginDrain();
    feeds.close();
    await stockHolder.stop();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.parts.frontDoor.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    const { upkeep, loopWatch, loopBreath, producer, replies, sessions, degradation, book, links, redis } = this.parts;
    upkeep.stop();
    loopWatch.stop();
    loopBreath.stop();
    sessions.stop();
    await producer.close(producerCloseMaxMs);
    replies.close();
    await Promise.all([this.sampler.stop(), degradation.stop(), book.stop()]);
    await Promise.all(Object.values(links).map((link) => link.close()));
    await redis.close();
  }

  private startShakes(): void {
    const { frontDoor, shakeHandler, shakeEvents, stockHolder, upkeep } = this.parts;
    upkeep.every(tickMs, () => shakeEvents.tick());
    upkeep.every(lookMs, () => void stockHolder.look());
    frontDoor.serve((request, response) => shakeHandler.tryHandle(request, response));
  }
}
