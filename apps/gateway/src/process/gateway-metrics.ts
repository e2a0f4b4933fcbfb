import { shedOrder } from '#libs/degradation';
import { Counter, createMetrics, Gauge, type LinkState, type Registry } from '#libs/runtime';
import type { GatewayParts } from '../gateway-parts.ts';

/** Prometheus metrics, read from plain counters at each scrape so that the hot path knows nothing of them. */
export function gatewayMetrics(parts: GatewayParts): Registry {
  const metrics = new PlainMetrics(createMetrics('gateway'));
  describeShakes(metrics, parts);
  describeDoor(metrics, parts);
  describeAdmission(metrics, parts);
  describeLinks(metrics, parts);
  describeProcess(metrics, parts);
  return metrics.registry;
}

const breakerFigures: Readonly<Record<LinkState['breaker'], number>> = { closed: 0, probing: 1, open: 2 };

function describeShakes(metrics: PlainMetrics, { shakeCounters, shakeEvents, pace }: GatewayParts): void {
  metrics.totals('hongbao_shakes_total', 'shakes by result', 'result', () => shakeCounters.results);
  metrics.total('hongbao_shakes_refused_total', 'shakes without an answer of the draw', () => shakeCounters.refused);
  metrics.total(
    'hongbao_shakers_cut_off_total',
    'shakes of clients that keep coming early',
    () => shakeCounters.closedEarly,
  );
  metrics.gauge('hongbao_pace_stretch', 'slots to a turn; 1 when shakes are not paced', () => pace.stretch);
  metrics.gauge(
    'hongbao_shake_capacity_per_second',
    'shakes that this process can answer; 0 until it was busy enough to tell',
    () => pace.sample().capacityPerSecond,
  );
  metrics.gauge('hongbao_active_users', 'users whose next shake is awaited', () => pace.sample().activeUsers);
  metrics.gauge('hongbao_overloaded', '1 when even the longest intervals bring more shakes than can be answered', () =>
    Number(pace.isOverloaded),
  );
  metrics.gaugeOf(
    'hongbao_indexes_in_hand',
    'packets that may be issued without asking anybody, by event',
    'event',
    () => [...shakeEvents.list()].map(({ event, stock }) => [event.idText, stock.left]),
  );
}

function describeDoor(metrics: PlainMetrics, { doorkeeper, sessions }: GatewayParts): void {
  metrics.totals(
    'hongbao_refused_by_address_total',
    'what an address had too much of',
    'what',
    () => doorkeeper.refused,
  );
  metrics.total(
    'hongbao_still_connections_closed_total',
    'connections closed because nothing moved on them',
    () => doorkeeper.still.closed,
  );
  metrics.gauge('hongbao_connections', 'open connections', () => doorkeeper.visitors.size);
  metrics.gauge('hongbao_addresses_known', 'client addresses in memory', () => doorkeeper.addressCount);
  metrics.gauge('hongbao_sessions_cached', 'verified sessions in memory', () => sessions.cachedCount);
}

function describeAdmission(metrics: PlainMetrics, { local, gate, lines, frontDoor }: GatewayParts): void {
  metrics.gauge(
    'hongbao_admission_level',
    'how far this process has stepped back by itself: classes refused, and the part of the next one that is',
    () => local.level,
  );
  metrics.gaugeOf('hongbao_admitted_share', 'part of the users that is admitted, by class', 'class', () =>
    shedOrder.map((name) => [name, local.shareOf(name)]),
  );
  metrics.totals(
    'hongbao_requests_shed_total',
    'requests refused because of the level, or because too many were under way; shed shakes are told to rest',
    'class',
    () => gate.refused,
  );
  metrics.total(
    'hongbao_connections_let_go_total',
    'connections that were hung up on because requests waited too long',
    () => lines.shed,
  );
  metrics.gauge(
    'hongbao_connections_parked',
    'connections that are not read for the moment because requests waited too long',
    () => lines.parkedCount,
  );
  metrics.total(
    'hongbao_door_shut_total',
    'times at which nobody listened for new connections for a while, because there were too many',
    () => frontDoor.shutCount,
  );
  metrics.gauge('hongbao_door_shut', '1 while nobody listens for new connections', () => Number(frontDoor.isShut));
  metrics.gauge(
    'hongbao_requests_under_way',
    'requests of the router under way, opens aside',
    () => gate.othersUnderWay,
  );
}

function describeLinks(metrics: PlainMetrics, { links, sessions }: GatewayParts): void {
  const states = (): [string, LinkState][] => {
    const { keysLink } = sessions;
    const calls = Object.entries(links).map(([name, { state }]): [string, LinkState] => [name, state]);
    return keysLink === undefined ? calls : [...calls, ['session_keys', keysLink]];
  };
  const each = (read: (state: LinkState) => number): [string, number][] =>
    states().map(([name, state]) => [name, read(state)]);
  metrics.gaugeOf('hongbao_link_calls', 'calls to another service under way, by bulkhead', 'link', () =>
    each((state) => state.callsUnderWay),
  );
  metrics.gaugeOf(
    'hongbao_link_breaker',
    '0 when calls go through, 1 while it is probed, 2 when none does',
    'link',
    () => each(({ breaker }) => breakerFigures[breaker]),
  );
  metrics.totals('hongbao_link_refused_full_total', 'calls refused because their bulkhead was full', 'link', () =>
    Object.fromEntries(each((state) => state.refusedFull)),
  );
  metrics.totals(
    'hongbao_link_refused_open_total',
    'calls refused because the service had failed of late',
    'link',
    () => Object.fromEntries(each((state) => state.refusedOpen)),
  );
  metrics.totals('hongbao_link_repeats_total', 'calls asked once more after a lost connection', 'link', () =>
    Object.fromEntries(each((state) => state.repeats)),
  );
}

function describeProcess(metrics: PlainMetrics, { openCounters, feeds, redis, pace }: GatewayParts): void {
  metrics.totals('hongbao_opens_total', 'opens by result', 'result', () => openCounters.results);
  metrics.gauge('hongbao_opens_in_flight', 'opens between verification and answer', () => openCounters.inFlight);
  metrics.gauge('hongbao_feed_streams', 'live feeds passed through', () => feeds.size);
  metrics.gauge(
    'hongbao_clock_error_ms',
    'how far the store clock can be off; -1 when it is not fresh',
    () => redis.clock.errorMs() ?? -1,
  );
  metrics.gauge(
    'hongbao_utilisation',
    'share of the time in which the event loop is busy',
    () => pace.sample().utilisation,
  );
}

/** Metrics that show numbers kept elsewhere: nothing is done for them between two scrapes. */
class PlainMetrics {
  constructor(readonly registry: Registry) {}

  /** A running total. */
  total(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  /** Running totals by a label. */
  totals(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
      },
    });
  }

  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** A gauge by a label. */
  gaugeOf(name: string, help: string, label: string, read: () => readonly (readonly [string, number])[]): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [value, number] of read()) this.set({ [label]: value }, number);
      },
    });
  }
}
