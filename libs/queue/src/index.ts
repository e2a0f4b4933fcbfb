export { BatchPace, type BatchPaceOptions } from './batch-pace.ts';
export { grabLane, type Lane, type LaneJob, openLane } from './lane.ts';
export * from './lane-backlog.ts';
export {
  LaneConsumer,
  type LaneConsumerOptions,
  type MalformedJob,
  outstandingLookFreshMs,
} from './lane-consumer.ts';
export {
  type DurableAddition,
  type LaneAddition,
  LaneProducer,
  type LaneProducerLoad,
  type LaneProducerOptions,
} from './lane-producer.ts';
export * from './lane-stats.ts';
export { LaneWriter } from './lane-writer.ts';
export * from './merging-batcher.ts';
export * from './outstanding.ts';
export { ReplyRegistry, type ReplyRegistryOptions, type ReplySlot } from './reply-registry.ts';
