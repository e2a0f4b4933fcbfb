/** What a driver process is told to do, and what it tells when it has done it. Both go over the process's channel as they are. */

interface Target {
  readonly port: number;
  readonly connections: number;
}

/** An open loop: requests at random times of a fixed rate. */
export interface ArrivalsPlan extends Target {
  readonly mode: 'arrivals';
  readonly tokensFile: string;
  readonly eventIds: readonly number[];
  /** Number of the first shake (turns.ts). */
  readonly firstShake: number;
  readonly perSecond: number;
  /** Before what is measured. */
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface ArrivalsResult {
  /** Warm-up and all. */
  readonly sent: number;
  /** Of those that were due while it was measured. */
  readonly answered: number;
  /** Requests without an answer, and answers of another status than 200. */
  readonly failed: number;
  /** From when the request was due, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** From when a request was due until it was written: what the driver itself adds. */
  readonly lagP50Ms: number;
  readonly lagP99Ms: number;
  readonly answeredPerSecond: number;
}

/** A crowd of clients that do as they are told: each shakes again when the answer says. */
export interface CrowdPlan extends Target {
  readonly mode: 'crowd';
  readonly eventId: number;
  readonly tokensFile: string;
  readonly users: number;
  /** First shakes are spread over this. */
  readonly intervalMs: number;
  readonly fullMs: number;
  /** Then only this share of the users stays. */
  readonly thinShare: number;
  readonly thinMs: number;
}

export interface CrowdResult {
  readonly failed: number;
  /** Connections that the gateway ended. */
  readonly closed: number;
  /** Users whose answer named no next shake: they are out. */
  readonly out: number;
  /** Longest time from one decided shake of a user to the next, or to the end, in milliseconds. */
  readonly longestTurnMs: number;
  readonly longestWaitToldMs: number;
  readonly periods: readonly CrowdPeriod[];
}

export const crowdPeriodMs = 500;

export interface CrowdPeriod {
  readonly decided: number;
  readonly rests: number;
  /** Mean of `nextShakeMs` in the answers of this period. */
  readonly meanWaitMs: number;
}

/** Every user once, in a closed loop, with tokens made on the way. */
export interface OncePlan extends Target {
  readonly mode: 'once';
  readonly eventId: number;
  readonly secret: string;
  readonly series: string;
  readonly firstUser: number;
  readonly users: number;
}

export interface OnceResult {
  readonly answered: number;
  readonly failed: number;
  readonly seconds: number;
}

export type DriverPlan = ArrivalsPlan | CrowdPlan | OncePlan;
export type DriverResult<Plan extends DriverPlan> = Plan extends ArrivalsPlan
  ? ArrivalsResult
  : Plan extends CrowdPlan
    ? CrowdResult
    : OnceResult;

/** `started`: the load begins now. */
export type DriverMessage =
  | { readonly kind: 'started' }
  | { readonly kind: 'done'; readonly result: DriverResult<DriverPlan> };
