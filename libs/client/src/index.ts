export { type CallOptions, HongbaoClient, type HongbaoClientOptions } from './client.ts';
export { type ClientClock, deviceClock } from './clock.ts';
export {
  HongbaoAbortedError,
  HongbaoAnswerError,
  HongbaoLostError,
  HongbaoProblemError,
  HongbaoUsageError,
} from './errors.ts';
export type { GrabOutcome } from './grab.ts';
export type { FetchAnswer, FetchInit, FetchLike } from './http.ts';
export { type ClientLimits, defaultLimits } from './limits.ts';
export type { OpenOutcome, PacketOutcome } from './open.ts';
export { HongbaoOps, type HongbaoOpsOptions, type PageOptions, type SettleOutcome } from './ops.ts';
export type { ReadOutcome, ShareOutcome, SharePageOutcome } from './reads.ts';
export type { ShakeHit, ShakeLoopEnd, ShakeLoopOptions } from './shake-loop.ts';
export type { UnsettledTicket } from './unsettled-store.ts';
