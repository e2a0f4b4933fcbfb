import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { type GatewayConfig, type OpenItem, type OpenOutcome, openReplySchema } from '#libs/contracts';
import { DegradationHolder, LocalAdmission, ReplyMean } from '#libs/degradation';
import { createKeyRing, type KeyRing } from '#libs/domain';
import { LaneProducer, lookAtOutstanding, ReplyRegistry } from '#libs/queue';
import {
  EventReader,
  exchangePoolsMax,
  exchangeStock,
  type GatewayFigures,
  readDegradation,
  readStamp,
  subscribeDegradation,
  writeFigures,
} from '#libs/redis';
import { InternalClient, type Logger, LoopWatch } from '#libs/runtime';
import { Doorkeeper } from './abuse/doorkeeper.ts';
import { AdmissionKeeper } from './admission/admission-keeper.ts';
import { lineLimitsOf } from './admission/line-limits.ts';
import { LineShedder } from './admission/line-shedder.ts';
import { LoopBreath } from './admission/loop-breath.ts';
import { RequestGate } from './admission/request-gate.ts';
import { EventBook } from './events/event-book.ts';
import { EventsService } from './events/events.service.ts';
import { FeedStreams } from './forward/feed-streams.ts';
import { ShareForwarder } from './forward/share-forwarder.ts';
import { FrontDoor } from './front-door.ts';
import { LateTickets } from './open/late-tickets.ts';
import { OpenHandler } from './open/open.handler.ts';
import { OpenCounters } from './open/open-counters.ts';
import { OpensService } from './open/opens.service.ts';
import { LedgerReads } from './packets/ledger-reads.ts';
import { PacketAnswers } from './packets/packet-answers.ts';
import { PacketsService } from './packets/packets.service.ts';
import { RedisLinks } from './process/redis-links.ts';
import { StoreTime } from './process/store-time.ts';
import { Upkeep } from './process/upkeep.ts';
import { GuestSessionsService } from './sessions/guest-sessions.service.ts';
import { SessionVerifier } from './sessions/session-verifier.ts';
import { PaceController } from './shake/pace-controller.ts';
import { PaceKeeper } from './shake/pace-keeper.ts';
import { ShakeHandler } from './shake/shake.handler.ts';
import { ShakeService } from './shake/shake.service.ts';
import { ShakeAdmission } from './shake/shake-admission.ts';
import { ShakeCounters } from './shake/shake-counters.ts';
import { ShakeEvents } from './shake/shake-events.ts';
import { StockHolder } from './shake/stock-holder.ts';
import { ShareTokensService } from './share/share-tokens.service.ts';

/** Bulkheads: sockets to another service, calls under way or waiting for one, and the longest call. */
const ledgerLink = { connectionsMax: 32, callsMax: 1024, timeoutMs: 2000 };
const accountsLink = { connectionsMax: 32, callsMax: 512, timeoutMs: 2000 };
const grabLink = { connectionsMax: 128, callsMax: 2048, timeoutMs: 5000 };
const shareReadLink = { connectionsMax: 32, callsMax: 512, timeoutMs: 2000 };
const feedLink = { connectionsMax: 1000, callsMax: 1000, timeoutMs: 2000 };

/** Answers made here: events, sessions, share tokens. They take no time, so many are under way only when the loop is late. */
const ownAnswersMax = 2000;
/** Requests under way beside the opens: what the bulkheads hold, and what is answered here. */
const othersUnderWayMax =
  ledgerLink.callsMax +
  accountsLink.callsMax +
  grabLink.callsMax +
  shareReadLink.callsMax +
  feedLink.callsMax +
  ownAnswersMax;

/** Changes are pushed; a push that was lost is made up for within this. Each gateway's polls are part of what a shake costs in Redis. */
const degradationPollMs = 5000;

/** The place of a reply outlives whoever waits for it by this. */
const replySlackMs = 2000;

/** Everything a gateway process is made of, whatever its role; the role decides what is started and served. */
export type GatewayParts = ReturnType<typeof createGatewayParts>;

/** Puts the parts together; nothing runs until the lifecycle starts it. */
export function createGatewayParts(config: GatewayConfig, logger: Logger) {
  const gatewayId = config.GATEWAY_ID ?? `${hostname()}-${process.pid}`;
  const redis = new RedisLinks(config, gatewayId, logger);
  const time = new StoreTime(redis.clock);
  const base = {
    config,
    logger,
    gatewayId,
    redis,
    ring: createKeyRing(config.TICKET_KEYS),
    time,
    degradation: degradationOf(redis, time, logger),
    book: new EventBook(new EventReader(redis.cache, logger), logger),
    feeds: new FeedStreams(),
    ...admissionParts(config, time, logger),
  };
  const guests = new GuestSessionsService(base);
  const events = new EventsService(base);
  const shaking = shakeParts(base);
  const links = linksOf(config);
  const money = moneyParts(base, shaking.shakeEvents, links);
  const forwarder = new ShareForwarder({ ...base, clients: links });
  const loopWatch = new LoopWatch(() => base.gate.cameCount() + shaking.shakeCounters.total());
  const loopBreath = new LoopBreath(loopWatch);
  const admissionKeeper = new AdmissionKeeper({
    isOn: config.LOCAL_ADMISSION === 'on',
    admission: base.local,
    watch: loopWatch,
    gate: base.gate,
    shakes: shaking.shakeCounters,
    opens: money.openCounters,
    opensInFlightMax: config.OPENS_IN_FLIGHT_MAX,
    replyTimes: money.replyTimes,
    time: base.time,
    lines: base.lines,
    door: base.frontDoor,
    doorkeeper: base.doorkeeper,
  });
  return { ...base, ...shaking, ...money, guests, events, links, forwarder, loopWatch, loopBreath, admissionKeeper };
}

interface Base {
  readonly config: GatewayConfig;
  readonly logger: Logger;
  readonly gatewayId: string;
  readonly redis: RedisLinks;
  readonly ring: KeyRing;
  readonly time: StoreTime;
  readonly degradation: DegradationHolder;
  readonly book: EventBook;
  readonly sessions: SessionVerifier;
  readonly doorkeeper: Doorkeeper;
  readonly local: LocalAdmission;
  readonly lines: LineShedder<Socket>;
  readonly frontDoor: FrontDoor;
}

/** Who comes in, and how. */
function admissionParts(config: GatewayConfig, time: StoreTime, logger: Logger) {
  const sessions = new SessionVerifier(config);
  const doorkeeper = new Doorkeeper(config, (authorization) => sessions.knows(authorization));
  const local = new LocalAdmission();
  const lines = new LineShedder(doorkeeper.visitors, lineLimitsOf[config.GATEWAY_ROLE], () => doorkeeper.proxyCount);
  const gate = new RequestGate({ admission: local, sessions, time, othersUnderWayMax, lines });
  const onDoorFailed = (err: Error): void =>
    logger.error({ err }, 'nobody can connect: the gateway cannot listen again, and goes on trying');
  const frontDoor = new FrontDoor(doorkeeper, gate, onDoorFailed);
  return { sessions, doorkeeper, local, lines, gate, frontDoor };
}

function degradationOf(redis: RedisLinks, time: StoreTime, logger: Logger): DegradationHolder {
  return new DegradationHolder({
    // operations set the ends of pins and switches by the store's clock
    nowMs: () => time.approxMs(),
    pollIntervalMs: degradationPollMs,
    source: {
      read: () => readDegradation(redis.cache),
      subscribe: (onState) => subscribeDegradation(redis.channels, onState),
    },
    onSource: ({ isReachable, cause }) => {
      if (isReachable) logger.info({}, 'the degradation state is read again');
      else logger.warn({ err: cause }, 'the degradation state cannot be read: the last one known is used');
    },
  });
}

function shakeParts(base: Base) {
  const { config, logger, redis, ring, time, degradation, book, sessions, doorkeeper, local, lines } = base;
  const upkeep = new Upkeep(() => performance.now());
  const pace = new PaceController();
  const admission = new ShakeAdmission(degradation, pace, local);
  const shakeEvents = new ShakeEvents(book, time, Buffer.from(config.LUCK_SECRET), admission);
  const shakeCounters = new ShakeCounters();
  const shakes = new ShakeService({ ring, time, admission, counters: shakeCounters, upkeep });
  const shakeHandler = new ShakeHandler({
    sessions,
    events: shakeEvents,
    shakes,
    counters: shakeCounters,
    doorkeeper,
    lines,
    logger,
  });
  const stockHolder = new StockHolder({
    user: shakeEvents,
    time,
    exchange: (visit) => exchangeStock(redis.cache, visit),
    poolsPerVisitMax: exchangePoolsMax,
    logger,
  });
  const paceKeeper = new PaceKeeper({
    controller: pace,
    takeLoads: () => shakeEvents.takeLoads(),
    counters: shakeCounters,
  });
  return { shakeEvents, shakeCounters, shakes, shakeHandler, stockHolder, pace, paceKeeper, upkeep };
}

function linksOf(config: GatewayConfig) {
  const token = config.INTERNAL_TOKEN;
  const allocation = { baseUrl: config.ALLOCATION_URL, token, dependency: 'allocation' };
  const share = { baseUrl: config.SHARE_URL, token, dependency: 'share' };
  return {
    ledger: new InternalClient({ ...allocation, ...ledgerLink }),
    accounts: new InternalClient({ ...allocation, ...accountsLink }),
    grabs: new InternalClient({ ...share, ...grabLink }),
    reads: new InternalClient({ ...share, ...shareReadLink }),
    feeds: new InternalClient({ ...share, ...feedLink }),
  };
}

function moneyParts(
  base: Base,
  shakeEvents: ShakeEvents,
  links: Pick<ReturnType<typeof linksOf>, 'ledger' | 'accounts'>,
) {
  const { config, logger, gatewayId, redis } = base;
  const jobTtlMs = config.OPEN_ACCEPT_MAX_MS + config.OPEN_REPLY_WAIT_MS + replySlackMs;
  const replies = new ReplyRegistry<OpenOutcome>({ replySchema: openReplySchema, log: logger, jobTtlMs });
  const producer = new LaneProducer<OpenItem, OpenOutcome>({
    client: redis.producer,
    replies,
    replyTo: gatewayId,
    clock: redis.clock,
    log: logger,
  });
  const ledger = new LedgerReads(links, base.degradation, () => performance.now());
  const answers = new PacketAnswers({
    ...base,
    onCredited: (userId, { eventId, packetId, sponsorNo }) =>
      shakeEvents.markOpened(eventId, userId, packetId, sponsorNo),
  });
  const openCounters = new OpenCounters();
  const replyTimes = new ReplyMean();
  const limits = {
    acceptMaxMs: config.OPEN_ACCEPT_MAX_MS,
    replyWaitMs: config.OPEN_REPLY_WAIT_MS,
    inFlightMax: config.OPENS_IN_FLIGHT_MAX,
  };
  const lateTickets = new LateTickets({
    look: (lane) => lookAtOutstanding(redis.cache, lane),
    readStamp: () => readStamp(redis.cache),
    acceptMaxMs: limits.acceptMaxMs,
  });
  const opens = new OpensService({
    ...base,
    producer,
    ledger,
    answers,
    lateTickets,
    counters: openCounters,
    replyTimes,
    limits,
  });
  const openHandler = new OpenHandler({ ...base, opens });
  const packets = new PacketsService({ ...base, ledger, answers });
  const shareTokens = new ShareTokensService({ ...base, ledger });
  return { replies, producer, ledger, answers, openCounters, replyTimes, openHandler, packets, shareTokens };
}

/** Where the sampler's figures go. */
export function figuresSinkOf({ redis, gatewayId }: Pick<GatewayParts, 'redis' | 'gatewayId'>) {
  return (figures: Omit<GatewayFigures, 'id'>) => writeFigures(redis.cache, { id: gatewayId, ...figures });
}
