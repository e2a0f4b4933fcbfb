import { Counter, createMetrics, Gauge, type Registry } from '#libs/runtime';
import type { GatewayParts } from '../gateway-parts.ts';

/** Prometheus metrics, read from plain counters at each scrape so that the hot path knows nothing of them. */
export function gatewayMetrics(parts: GatewayParts): Registry {
  const registry = createMetrics('gateway');
  const registers = [registry];
  const { shakeCounters, openCounters, shakeEvents, sessions, feeds } = parts;
  counted('hongbao_shakes_total', 'shakes by result', 'result', () => shakeCounters.results, registry);
  counted('hongbao_opens_total', 'opens by result', 'result', () => openCounters.results, registry);
  counted(
    'hongbao_shakes_refused_total',
    'shakes without an answer of the draw',
    undefined,
    () => ({ '': shakeCounters.refused }),
    registry,
  );
  counted(
    'hongbao_shakers_cut_off_total',
    'shakes of clients that keep coming early',
    undefined,
    () => ({ '': shakeCounters.closedEarly }),
    registry,
  );
  gauge('hongbao_opens_in_flight', 'opens between verification and answer', () => openCounters.inFlight);
  gauge('hongbao_sessions_cached', 'verified sessions in memory', () => sessions.cachedCount);
  gauge('hongbao_feed_streams', 'live feeds passed through', () => feeds.size);
  gauge(
    'hongbao_clock_error_ms',
    'how far the store clock can be off; -1 when it is not fresh',
    () => parts.redis.clock.errorMs() ?? -1,
  );
  new Gauge({
    name: 'hongbao_indexes_in_hand',
    help: 'packets that may be issued without asking anybody, by event',
    labelNames: ['event'],
    registers,
    collect() {
      this.reset();
      for (const { event, stock } of shakeEvents.list()) this.set({ event: event.idText }, stock.left);
    },
  });
  return registry;

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
}

/** A counter that shows running totals kept elsewhere. */
function counted(
  name: string,
  help: string,
  label: string | undefined,
  read: () => Readonly<Record<string, number>>,
  registry: Registry,
): void {
  new Counter({
    name,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, count] of Object.entries(read()))
        this.inc(label === undefined ? {} : { [label]: value }, count);
    },
  });
}
