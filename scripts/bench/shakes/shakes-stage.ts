import type { EventSnapshot } from '#libs/contracts';
import type { BenchContext } from '../frame/suite.ts';
import { closedLoop, firstRuns, type Server } from './closed-loop.ts';
import { Place } from './place.ts';
import { sampleBodies } from './samples.ts';
import { gatewayServer, startBare } from './servers.ts';
import { eventIds, hitShare } from './settings.ts';

type Events = readonly EventSnapshot[];

const lookSeconds = 1;
/** About what a hit costs on top of a miss. */
const hitCostInMisses = 5;
/** Of the hits of a run, those that its part of the curve releases. */
const curveShare = 0.8;

/** What the parts share: the place, the gateway that most of them measure, and what earlier parts found out. */
export class ShakesStage {
  /** Shakes per second of one gateway in a closed loop, once the part `rate` has measured it. */
  capacity: number | undefined;
  private mix: Events | undefined;
  private bare: Server | undefined;

  private constructor(
    readonly place: Place,
    /** One gateway, warm. Its Redis is among what it costs. */
    readonly gateway: Server,
    readonly gatewayId: string,
    /** Events without a packet. */
    readonly misses: Events,
  ) {}

  static async open(context: BenchContext): Promise<ShakesStage> {
    const place = await Place.open(context);
    try {
      const gateways = await place.startGateways('bench', 1);
      const misses = await place.publish(eventIds.misses, 0);
      const gateway = gatewayServer(place, gateways);
      await firstRuns(place, gateway, misses, place.settings.users * misses.length);
      return new ShakesStage(place, gateway, gateways.names[0]!, misses);
    } catch (error) {
      await place.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.place.close();
  }

  /** What one gateway shakes in a closed loop per second: as `rate` measured it, else what a quick look says it could. */
  async knownCapacity(): Promise<number> {
    if (this.capacity !== undefined) return this.capacity;
    const { place, gateway: server, misses: events } = this;
    const { perSecond, coreShare } = await closedLoop(place, { server, events, seconds: lookSeconds });
    return perSecond / Math.min(coreShare, 1);
  }

  /** The events in which one shake in a hundred wins while a gateway is at its capacity. */
  async mixEvents(): Promise<Events> {
    if (this.mix === undefined) {
      // what is known so far is the rate of misses; what gateways have in hand as a run begins comes on top of the curve
      const perSecond = (await this.knownCapacity()) / (1 + hitShare * hitCostInMisses);
      this.mix = await this.place.publish(eventIds.mix, perSecond * hitShare * curveShare);
    }
    return this.mix;
  }

  /** Bare node:http that writes what the gateway wrote in the events of the mix. */
  async bareServer(): Promise<Server> {
    this.bare ??= await startBare(this.place, await this.sample());
    return this.bare;
  }

  private async sample() {
    const events = (await this.mixEvents()).slice(0, 1);
    return await this.place.stocker.stocking(events, () =>
      this.place.stocker.shaken(() => sampleBodies(this.place, this.gateway, events[0]!.id)),
    );
  }
}
