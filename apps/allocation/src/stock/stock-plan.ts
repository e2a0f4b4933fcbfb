/*
 * What to stock, and until when it may be issued: pure. A pool is stocked along its wave's release curve, `leadMs` ahead of it,
 * so that gateways have blocks in hand when the curve says so, and no budget can be drained faster than it (docs/architecture.md).
 */
import { type Reissue, releasedPackets } from '#libs/domain';

export interface StockEvent {
  readonly endsAtMs: number;
  readonly reissue: Reissue;
}

export interface StockWave {
  readonly startsAtMs: number;
  readonly durationMs: number;
}

export interface StockPool {
  readonly packetCount: number;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly blockLifeMs: number;
  readonly releaseCurve: Parameters<typeof releasedPackets>[0];
}

/** The instant (exclusive) at which the pool's packets stop being issued: with its wave when it asked for its wave only. */
export function issueEndMs(event: StockEvent, wave: StockWave): number {
  return event.reissue === 'wave' ? Math.min(wave.startsAtMs + wave.durationMs, event.endsAtMs) : event.endsAtMs;
}

/**
 * Until when a block that is stocked now may be issued. Its life counts from the wave's start when it is stocked ahead of it: it
 * must not time out before anybody may shake. Undefined when issuing is over.
 */
export function issueUntilMs(
  event: StockEvent,
  wave: StockWave,
  pool: Pick<StockPool, 'blockLifeMs'>,
  nowMs: number,
): number | undefined {
  const endMs = issueEndMs(event, wave);
  if (nowMs >= endMs) return undefined;
  return Math.min(Math.max(nowMs, wave.startsAtMs) + pool.blockLifeMs, endMs);
}

/**
 * How many blocks of the pool should have been stocked by now: what the curve has released `leadMs` from now, in whole blocks, so that
 * less than one block is stocked beyond it. 0 before `leadMs` ahead of the wave.
 */
export function blocksDue(wave: StockWave, pool: StockPool, nowMs: number, leadMs: number): number {
  return Math.min(Math.ceil(releasedAt(wave, pool, nowMs + leadMs) / pool.blockSize), pool.blockCount);
}

/** True when reclaimed blocks of the pool may be stocked again now. */
export function mayRestock(event: StockEvent, wave: StockWave, nowMs: number): boolean {
  return event.reissue !== 'never' && nowMs >= wave.startsAtMs && nowMs < issueEndMs(event, wave);
}

/** What came back goes out beside what the curve releases, spread like the curve's packets of this long. */
const restockSpanMs = 10_000;
/** Of a pool that releases less than a block in that time, so many blocks at least: one for each of several gateways. */
const restockBlocksMin = 8;

export interface RestockQuestion {
  readonly event: StockEvent;
  readonly wave: StockWave;
  readonly pool: StockPool;
  readonly nowMs: number;
  readonly leadMs: number;
  /** Blocks of the pool that are reclaimed. */
  readonly reclaimed: number;
  /** Indexes on the pool's list. */
  readonly listed: number;
}

/**
 * How many reclaimed blocks to stock again now: they fill the list up to what ought to lie ahead of the curve and, on top of it, what
 * the pool releases in 10 s on average. So what came back all at once (a dead gateway's blocks, a long night without shakes) does not
 * go out all at once, and what nobody takes waits as rows that cost nothing, instead of timing out on the list over and over. The list
 * holds more when less time is left, and in the last 10 s everything, so that it can go out before issuing ends. Expects `mayRestock`.
 */
export function restockDue(question: RestockQuestion): number {
  const { event, wave, pool, nowMs, leadMs, reclaimed, listed } = question;
  const ahead = releasedAt(wave, pool, nowMs + leadMs) - releasedAt(wave, pool, nowMs);
  const leftMs = issueEndMs(event, wave) - nowMs;
  if (leftMs <= restockSpanMs) return reclaimed;
  const onTop = Math.max(
    (pool.packetCount / wave.durationMs) * restockSpanMs,
    (reclaimed * pool.blockSize * restockSpanMs) / leftMs,
    restockBlocksMin * pool.blockSize,
  );
  const room = Math.ceil((ahead + onTop - listed) / pool.blockSize);
  return Math.min(Math.max(room, 0), reclaimed);
}

function releasedAt(wave: StockWave, pool: StockPool, atMs: number): number {
  return releasedPackets(pool.releaseCurve, atMs - wave.startsAtMs, wave.durationMs, pool.packetCount);
}
