import type { WorkloadShape } from '../opens/workload.ts';

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

/** Opens of a workload: in a closed loop over all connections, or at random times of a fixed rate. */
export interface OpensPlan extends Target {
  readonly mode: 'opens';
  /** A file with an `OpensScript`. */
  readonly scriptFile: string;
  /** Where it writes what became of every ticket that was opened (open-answers.ts). */
  readonly answersFile: string;
  /** Absent: a closed loop. */
  readonly perSecond?: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What the driver opens; in a file, because it is too long for an argument. */
export interface OpensScript {
  readonly eventId: number;
  /** As the services are given it. */
  readonly ticketKeys: string;
  readonly sessionSecret: string;
  readonly expiresAtMs: number;
  readonly shape: WorkloadShape;
}

export interface OpensResult {
  /** Opens of the workload, warm-up and all, without those that were sent again because they had no outcome. */
  readonly sent: number;
  /** Of each kind of answer, over the whole run. */
  readonly answers: Readonly<Record<string, number>>;
  /** Connections that ended without the answer that they owed. */
  readonly lost: number;
  /** Opens without an outcome in the end. */
  readonly unsettled: number;
  /** Tickets that were credited for the first time while it was measured. */
  readonly credited: number;
  readonly measuredMs: number;
  /** Credited in each whole second of it. */
  readonly creditedBySecond: readonly number[];
  /** Of those, from when the open was due to its `credited`, pending or not in between; milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** From when an open was due until it was written. */
  readonly lagP50Ms: number;
  readonly lagP99Ms: number;
}

/** Phones that shake whatever they are told, and give up; each has a connection of its own and one shake under way at most. */
export interface ImpatientPlan {
  readonly mode: 'impatient';
  readonly port: number;
  readonly eventId: number;
  /** One phone for each of the first so many sessions in it. */
  readonly tokensFile: string;
  readonly phones: number;
  /** Phones that come for one shake in the place of one that is still waiting when it is his turn. */
  readonly spares: number;
  /** Counted from when the shake was due; then the connection is closed, and the phone's next shake comes over a new one. */
  readonly patienceMs: number;
  /** What the loads are multiples of; absent: the capacity that was measured. */
  readonly perSecond?: number;
  readonly steps: readonly ImpatientStep[];
}

/**
 * So many phones that shake again as soon as they have their answer: what is answered per second of the last such step is the capacity.
 * Or at random times of a rate that is a multiple of it, whatever the answers do.
 */
export type ImpatientStep =
  | { readonly ms: number; readonly atOnce: number }
  | { readonly ms: number; readonly load: number };

export const shakesPeriodMs = 100;

/** Shakes that were due in one period, by what became of them, and answers that came in it. */
export interface ShakesPeriod {
  sent: number;
  /** Nobody was there to send it: every phone had a shake under way, or the driver came too late. */
  unsent: number;
  decided: number;
  rested: number;
  /** Another answer than that of a shake. */
  refused: number;
  /** The connection was closed without an answer. */
  cutOff: number;
  gaveUp: number;
  /** Shakes for which a connection had to be made. */
  connected: number;
  /** Answers that came in this period, whenever their shakes were due: decided and rested. */
  answers: number;
}

export interface ImpatientResult {
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly capacityPerSecond: number;
  readonly periods: readonly ShakesPeriod[];
  readonly steps: readonly ImpatientStepResult[];
}

export interface ImpatientStepResult {
  /** From the start. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Of the shakes that were answered in time, from when they were due. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From when a shake was due until it was handed to its socket. */
  readonly lagP99Ms: number;
}

/** Opens of a workload and reads of its users' wallets, both at random times of a fixed rate, until it is told to stop. */
export interface BesidePlan extends Target {
  readonly mode: 'beside';
  readonly scriptFile: string;
  readonly answersFile: string;
  readonly opensPerSecond: number;
  readonly readsPerSecond: number;
  /** A read that takes longer was given up. */
  readonly patienceMs: number;
  /** It stops by itself after this. */
  readonly msMax: number;
}

/** One request, from when it was due. */
export interface BesideRequest {
  /** Milliseconds since 1970. */
  readonly dueAtMs: number;
  /** Until its outcome; absent: it had none. */
  readonly tookMs?: number;
  /** Answers that refused it, and connections that were closed instead of an answer. */
  readonly refusals: number;
}

export interface BesideResult {
  /** First opens of a ticket; repeats are not among them. */
  readonly opens: readonly BesideRequest[];
  readonly reads: readonly BesideRequest[];
  readonly unsettled: number;
  /** Of each kind of answer to an open. */
  readonly answers: Readonly<Record<string, number>>;
  readonly lagP99Ms: number;
}

export type DriverPlan = ArrivalsPlan | CrowdPlan | OncePlan | OpensPlan | ImpatientPlan | BesidePlan;

interface ResultOf {
  readonly arrivals: ArrivalsResult;
  readonly crowd: CrowdResult;
  readonly once: OnceResult;
  readonly opens: OpensResult;
  readonly impatient: ImpatientResult;
  readonly beside: BesideResult;
}
export type DriverResult<Plan extends DriverPlan> = ResultOf[Plan['mode']];

/** `started`: the load begins now; `measuring`, `measured`: what is measured begins, and has ended. */
export type DriverPhase = 'started' | 'measuring' | 'measured';
/** What a driver is told while it runs: its load ends now. */
export type DriverOrder = { readonly kind: 'stop' };
export type DriverMessage =
  | { readonly kind: DriverPhase }
  | { readonly kind: 'done'; readonly result: DriverResult<DriverPlan> };
