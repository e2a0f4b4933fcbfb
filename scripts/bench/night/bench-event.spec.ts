import { expect, test } from 'vitest';
import { eventSnapshotSchema, stockedBlockSchema } from '#libs/contracts';
import { benchBlock, benchEvent, blocksDue } from './bench-event.ts';

const shape = { id: 3, perUserMax: 4, ticketTtlMs: 10_000, shakeIntervalMs: 4000, nowMs: 1_800_000_000_000 };

test('event and blocks are of the shape that gateways read', () => {
  const event = benchEvent({ ...shape, packetsPerSecond: 400 });
  expect(eventSnapshotSchema.parse(event)).toEqual(event);
  const block = benchBlock(event.pools[0]!, 7, shape.nowMs);
  expect(stockedBlockSchema.parse(block)).toEqual(block);
  expect(block.count).toBe(event.pools[0]!.blockSize);
});

test('all pools together release the packets that were asked for', () => {
  const event = benchEvent({ ...shape, packetsPerSecond: 400 });
  const { durationMs } = event.waves[0]!;
  const packets = event.pools.reduce((sum, { packetCount }) => sum + packetCount, 0);
  expect((packets * 1000) / durationMs).toBeCloseTo(400, 1);
});

test('stock follows the curve, ahead of it by the lead', () => {
  const event = benchEvent({ ...shape, packetsPerSecond: 400 });
  const [pool] = event.pools;
  const packetsAt = (ms: number): number => blocksDue(event, pool!, ms) * pool!.blockSize;
  expect(packetsAt(10_000) - packetsAt(0)).toBeGreaterThan(1000 - pool!.blockSize);
  expect(packetsAt(10_000) - packetsAt(0)).toBeLessThan(1000 + pool!.blockSize);
  expect(packetsAt(0)).toBeGreaterThanOrEqual(200);
});
