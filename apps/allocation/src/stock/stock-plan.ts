/*
 * What to stock, and until when it may be issued: pure. A pool is stocked along its wave's release curve, `leadMs` ahead of it,
 * so that gateways have blocks in hand when the curve says so, and no budget can be drained faster than it (docs/architecture.md).
 */
import { type Reissue, releasedPackets } from '#libs/domain';

export interface StockEvent {
  readonly endsAtMs: number;
  readonly blockLifeMs: number;
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
export function issueUntilMs(event: StockEvent, wave: StockWave, nowMs: number): number | undefined {
  const endMs = issueEndMs(event, wave);
  if (nowMs >= endMs) return undefined;
  return Math.min(Math.max(nowMs, wave.startsAtMs) + event.blockLifeMs, endMs);
}

/** How many blocks of the pool should have been stocked by now; 0 before `leadMs` ahead of the wave. */
export function blocksDue(wave: StockWave, pool: StockPool, nowMs: number, leadMs: number): number {
  const elapsedMs = nowMs + leadMs - wave.startsAtMs;
  const released = releasedPackets(pool.releaseCurve, elapsedMs, wave.durationMs, pool.packetCount);
  return Math.min(Math.ceil(released / pool.blockSize), pool.blockCount);
}

/** True when reclaimed blocks of the pool may be stocked again now. */
export function mayRestock(event: StockEvent, wave: StockWave, nowMs: number): boolean {
  return event.reissue !== 'never' && nowMs >= wave.startsAtMs && nowMs < issueEndMs(event, wave);
}
