/** Every wait, buffer and repetition of the SDK, by name. */
export interface ClientLimits {
  /** One request, from connecting to the last byte of its answer. */
  readonly requestTimeoutMs: number;
  /** Full jitter: the n-th repetition waits between 0 and min(backoffMaxMs, backoffBaseMs · 2ⁿ), after `Retry-After`. */
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** A `Retry-After` beyond this is cut. */
  readonly retryAfterMaxMs: number;
  /** An open without a receipt that the server itself puts off for so long is not waited for, but handed back as unsettled (`put_off`). */
  readonly putOffFromMs: number;
  /** Repetitions that may be sent before the budget rations them. */
  readonly retryBudgetMax: number;
  /** Repetitions earned by each first request: the share of repetitions once the budget is used up. */
  readonly retryBudgetRatio: number;
  /** A client that sends nothing else still earns one repetition in this time. */
  readonly retryBudgetDripMs: number;
  /** A session, a share, a read: given up after this many tries or this time. */
  readonly callTriesMax: number;
  readonly callMaxMs: number;
  /** An open or a grab is pursued this long before it is handed back as unsettled. */
  readonly settleMaxMs: number;
  /** Polls of a pending open or grab slow down from the server's `pollAfterMs` to this. */
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  /** After this many polls the ticket is opened again with its receipt: a job that was lost with Redis is put again. */
  readonly pollsPerReopen: number;
  /** Tickets and receipts kept until they have an outcome. */
  readonly unsettledMax: number;
  /** Unsettled tickets pursued at once by `settleUnsettled`. */
  readonly settlesAtOnceMax: number;
  /** Longest uninterrupted wait of the shake loop; it then asks the server again. */
  readonly shakeWaitMaxMs: number;
  /** The shake loop gives up when nothing was answered for this long: at its beginning session and event, then shakes. */
  readonly shakeSilenceMaxMs: number;
  /** Events whose shake state is kept. */
  readonly eventsMax: number;
}

export const defaultLimits: ClientLimits = {
  requestTimeoutMs: 5_000,
  backoffBaseMs: 250,
  backoffMaxMs: 10_000,
  retryAfterMaxMs: 60_000,
  putOffFromMs: 20_000,
  retryBudgetMax: 10,
  retryBudgetRatio: 0.2,
  retryBudgetDripMs: 5_000,
  callTriesMax: 5,
  callMaxMs: 60_000,
  settleMaxMs: 600_000,
  pollMinMs: 100,
  pollMaxMs: 15_000,
  pollsPerReopen: 4,
  unsettledMax: 256,
  settlesAtOnceMax: 4,
  shakeWaitMaxMs: 60_000,
  shakeSilenceMaxMs: 300_000,
  eventsMax: 32,
};
