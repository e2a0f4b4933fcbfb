/** The pure rules of Hongbao: no I/O, no clock and no randomness of its own. Units are in the names: Fen, Ms. */
export { derivePortions, deriveRunAmounts, eventSecretBytesMin } from './amounts.ts';
export { blockSizeMax, countOf, fullMask, hasIndex, indexesOf, isEmpty, maskFromGranted } from './block-mask.ts';
export {
  type BlockStage,
  type BlockState,
  blockStates,
  canBlockGo,
  canReclaim,
  epochMax,
  lastAcceptanceMs,
  type ReclaimQuestion,
  reclaimableAtMs,
} from './block-state.ts';
export {
  type Claim,
  type ClaimKind,
  claimAtMsMax,
  claimLengthMax,
  eventIdMax,
  signClaim,
  sponsorNoMax,
  verifyClaim,
} from './claims.ts';
export { type CommittedPlan, canonicalPlan, commitmentOf } from './commitment.ts';
export {
  type DraftPool,
  type DraftWave,
  type EventDraft,
  eventLimits,
  findEventFaults,
  type Reissue,
  reissues,
} from './event-plan.ts';
export {
  canEventGo,
  type EventPhase,
  type EventState,
  type EventTimes,
  eventPhaseAt,
  eventStateDue,
  eventStates,
  type SettleTimes,
  settlePossibleAtMs,
} from './event-state.ts';
export { createKeyRing, type KeyRing, ringKeyBytesMin, ringKeyIdMax, ringKeysMax } from './key-ring.ts';
export { laneCountMax, laneOfBlock, laneOfPacket } from './lanes.ts';
export { luckKeyOf, luckOf, shakeSlot, startOffsetMs, type UserHash, userHashKeyOf, userHashOf } from './luck.ts';
export { type Fen, fenMax, mulDivFloor } from './money.ts';
export { isTurn, latestTurn, longestGap, nextTurn, slotShift, stretchMaxOf, turnPhase } from './pacing.ts';
export {
  blockNoMax,
  type PacketRef,
  packetIdMax,
  packetIdOf,
  packetIndexMax,
  packetRefOf,
  parsePacketId,
  poolIdMax,
} from './packet-id.ts';
export {
  blockCountOf,
  blockLifeMsOf,
  blockSizeOf,
  blocksPerPoolMin,
  findPoolFaults,
  hasPacket,
  type PoolDraft,
  type PoolPlan,
  packetCountMax,
  packetFenMax,
  packetShareBudgetFen,
  packetsInBlock,
  poolFundsFen,
  runBudgetFen,
  runPacketsMax,
  runPositionOf,
  sharePortionsMax,
} from './pool-plan.ts';
export {
  type CurvePoint,
  curveNames,
  curvePointsMax,
  findCurveFaults,
  type NamedCurve,
  type ReleaseCurve,
  releasedFraction,
  releasedPackets,
} from './release-curve.ts';
export { aheadAt, type PoolRelease, releaseAhead, releasedAt, releasePerSecond } from './release-rate.ts';
export {
  mergeShakeStates,
  readShakeStates,
  type ShakeState,
  type ShakeWin,
  shakeStateHeaderLengthMax,
  shakeStateLengthMax,
  shakeStateTokensMax,
  shakeStateWinsMax,
  signShakeState,
  verifyShakeState,
} from './shake-state.ts';
export type { HashKey } from './sip-hash.ts';
export { isTier, type Tier, type TierName, tierMax, tierMin, tierNameOf, tierNames, tierOf } from './tiers.ts';
export { isUserId, userIdLengthMax } from './user-id.ts';
export { priorityAt, priorityMinute, priorityOf, priorityPeriodMs } from './user-priority.ts';
