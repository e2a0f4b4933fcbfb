/**
 * Every key and channel of ours in Redis. What one script touches carries one hash tag (`{…}`), so that it lives on one node of a
 * Redis Cluster: the stock together, each lane by itself.
 */
export const keys = {
  /** List of stocked blocks of a pool, newest left, JSON. */
  stock: (poolId: number) => `${stockPrefix}${poolId}`,
  /** `run_id` of the server that the stock was built on. */
  stamp: '{hb:stock}:stamp',
  /** When that stamp was set (store-clock ms). */
  stampedAt: '{hb:stock}:stamped-at',
  /** Set of the pool ids that have (had) a stock list. */
  stockPools: '{hb:stock}:pools',
  /** Hash of pool id → indexes on its stock list, exact. */
  stockListed: '{hb:stock}:listed',
  /** Hash of all gateways' figures of one half second of the store clock, added up; expires. */
  stockTally: (period: number) => `${stockTallyPrefix}${period}`,
  /** Hash of event id → snapshot, and `revision`, which changes with any of them. */
  events: 'hb:events',
  /** Channel: the board changed, read it now; who misses it reads it within seconds. */
  eventsChanged: 'hb:events:changed',
  /** Hash of `version` and `document`. */
  degradation: 'hb:degradation',
  degradationChanged: 'hb:degradation:changed',
  /** Id of the ops process that sets the tier; expires. Beside the document: what is written is checked against it in one script. */
  tierLeader: '{hb:degradation}:leader',
  /** What the leader saw last (JSON); expires. */
  tierWatch: '{hb:degradation}:watch',
  /** Channel on which a producer hears what became of its jobs. */
  reply: (producerId: string) => `hb:reply:${producerId}`,
  feed: 'hb:feed',
  /** Latest sample of a gateway; expires. */
  gateway: (gatewayId: string) => `{hb:figures}:gateway:${gatewayId}`,
  /** Set of the gateway ids that have (had) a sample. */
  gateways: '{hb:figures}:gateways',
  /** Hash of pool id → packets issued; for display alone. */
  issued: '{hb:figures}:issued',
  /** BullMQ's prefix of a lane's queue: a hash tag of its own. */
  lanePrefix: (lane: string) => `{hb-${lane}}`,
  /** Sorted set of a lane's job ids by the oldest acceptance in the job (store-clock ms). */
  outstanding: (lane: string) => `{hb-${lane}}:outstanding`,
  /** Hash that BullMQ keeps of a job. */
  job: (lane: string, jobId: string) => `{hb-${lane}}:${lane}:${jobId}`,
} as const;

export const stockPrefix = '{hb:stock}:pool:';
export const stockTallyPrefix = '{hb:stock}:tally:';
