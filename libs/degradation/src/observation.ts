/** From what operations sees in one second to the readings of the signals. Pure; what must be remembered goes in and out. */
import type { GatewaySignals } from '#libs/contracts';
import { opensPerSecondMin, type Readings } from './signals.ts';

/** A lane of opens or of grabs. */
export interface LaneSeen {
  readonly lane: string;
  readonly kind: 'open' | 'grab';
  /** Jobs accepted and not committed. */
  readonly jobs: number;
  /** Store ms of the acceptance that has `backlogJobsMin` older ones; undefined when there are not so many. */
  readonly behindSinceMs: number | undefined;
}

export interface GatewaySeen extends GatewaySignals {
  readonly id: string;
}

export interface Observation {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Store milliseconds: samples carry them. */
  readonly storeMs: number;
  /** What one small command took; undefined: no answer. */
  readonly redisMs: number | undefined;
  readonly database: { readonly isAnswering: boolean; readonly timeMs: number };
  /** Undefined: could not be read. */
  readonly lanes: readonly LaneSeen[] | undefined;
  readonly gateways: readonly GatewaySeen[] | undefined;
}

/** What one observation leaves for the next. */
export interface ObservationMemory {
  readonly overloadedSinceMs: number | undefined;
  readonly opens: ReadonlyMap<string, OpensSeen>;
  /** Since when each lane that has a backlog has had one. */
  readonly backlogSinceMs: ReadonlyMap<string, number>;
}

/** Running totals of a gateway's opens, and what they grew by between its last two samples. */
interface OpensSeen {
  readonly atMs: number;
  readonly all: number;
  readonly refused: number;
  readonly grown: { readonly all: number; readonly refused: number; readonly seconds: number };
}

export const noMemory: ObservationMemory = {
  overloadedSinceMs: undefined,
  opens: new Map(),
  backlogSinceMs: new Map(),
};

/** A gateway that is silent for longer (stopped, cut off) says nothing about now. */
const sampleAgeMaxMs = 3000;

export function readSignals(
  before: ObservationMemory,
  seen: Observation,
): { readonly readings: Readings; readonly memory: ObservationMemory } {
  const gateways = seen.gateways?.filter(({ atMs }) => seen.storeMs - atMs <= sampleAgeMaxMs);
  const overloadedSinceMs = overloadedSince(before, gateways, seen.nowMs);
  const opens =
    gateways === undefined
      ? before.opens
      : new Map(gateways.map((gateway) => [gateway.id, opensOf(gateway, before.opens.get(gateway.id))]));
  const backlogSinceMs = backlogSince(before, seen);
  const readings = {
    ...laneReadings(seen, backlogSinceMs),
    database_time: seen.database.timeMs,
    redis_time: seen.redisMs,
    ...(gateways && gatewayReadings(gateways)),
    overloaded: gateways && (overloadedSinceMs === undefined ? 0 : seen.nowMs - overloadedSinceMs),
    opens_refused: gateways && percentRefused([...opens.values()]),
  };
  return { readings: known(readings), memory: { overloadedSinceMs, opens, backlogSinceMs } };
}

function backlogSince(before: ObservationMemory, { lanes, nowMs }: Observation): ReadonlyMap<string, number> {
  if (lanes === undefined) return before.backlogSinceMs;
  const behind = lanes.filter(({ behindSinceMs }) => behindSinceMs !== undefined);
  return new Map(behind.map(({ lane }) => [lane, before.backlogSinceMs.get(lane) ?? nowMs]));
}

/** Without the database opens wait for it, however few they are. */
function laneReadings(seen: Observation, backlogSinceMs: ReadonlyMap<string, number>) {
  const { lanes, database } = seen;
  const opens = database.isAnswering ? lanes?.filter(({ kind }) => kind === 'open') : undefined;
  const grabs = lanes?.filter(({ kind }) => kind === 'grab');
  const ageOf = (lane: LaneSeen) => backlogAgeMs(lane, seen, backlogSinceMs);
  return {
    open_lane_age: opens && largest(opens, ageOf),
    open_lane_depth: opens && largest(opens, ({ jobs }) => jobs),
    grab_lane_age: grabs && largest(grabs, ageOf),
  };
}

/**
 * How old its backlog is, by its acceptances and by what was seen: an open that is sent again with its receipt brings an old acceptance
 * into a lane that is not behind.
 */
function backlogAgeMs(
  { lane, behindSinceMs }: LaneSeen,
  { nowMs, storeMs }: Observation,
  backlogSinceMs: ReadonlyMap<string, number>,
): number {
  const sinceMs = backlogSinceMs.get(lane);
  if (behindSinceMs === undefined || sinceMs === undefined) return 0;
  return Math.max(0, Math.min(storeMs - behindSinceMs, nowMs - sinceMs));
}

/** Of those that open packets, and of those that only take shakes: what steps back for the ones is of no use to the others. */
function gatewayReadings(gateways: readonly GatewaySeen[]) {
  const [shaking, others] = [gateways.filter(isForShakes), gateways.filter((gateway) => !isForShakes(gateway))];
  return {
    loop_delay: ofHalf(others.map(({ loopDelayMs }) => loopDelayMs)),
    shake_loop_delay: ofHalf(shaking.map(({ loopDelayMs }) => loopDelayMs)),
    local_level: ofHalf(others.map(({ admissionLevel }) => admissionLevel)),
  };
}

const isForShakes = ({ role }: GatewaySeen): boolean => role === 'shake';

/** What at least half of the values reach: one sick gateway of many is no reason to step back everywhere. */
function ofHalf(values: readonly number[]): number {
  const falling = [...values].sort((a, b) => b - a);
  return falling[Math.ceil(falling.length / 2) - 1] ?? 0;
}

function overloadedSince(
  before: ObservationMemory,
  gateways: readonly GatewaySeen[] | undefined,
  nowMs: number,
): number | undefined {
  if (gateways === undefined) return before.overloadedSinceMs;
  // who takes no shakes has no pace to keep
  const paced = gateways.filter(({ role }) => role !== 'money');
  const isOverloaded = ofHalf(paced.map(({ pace }) => Number(pace.isOverloaded))) > 0;
  return isOverloaded ? (before.overloadedSinceMs ?? nowMs) : undefined;
}

const nothing = { all: 0, refused: 0, seconds: 0 };

function opensOf({ atMs, opens }: GatewaySeen, before: OpensSeen | undefined): OpensSeen {
  // the same sample again: its successor comes within a second
  if (before?.atMs === atMs) return before;
  const all = Object.values(opens).reduce((sum, count) => sum + count, 0);
  const refused = (opens['overloaded'] ?? 0) + (opens['queue_unavailable'] ?? 0) + (opens['shed'] ?? 0);
  // a total that went back is that of a new process
  const isSuccessor = before !== undefined && atMs > before.atMs && all >= before.all && refused >= before.refused;
  const grown = isSuccessor
    ? { all: all - before.all, refused: refused - before.refused, seconds: (atMs - before.atMs) / 1000 }
    : nothing;
  return { atMs, all, refused, grown };
}

/** Over all gateways, between the last two samples of each; 0 while there are too few opens to tell. */
function percentRefused(opens: readonly OpensSeen[]): number {
  const perSecond = opens.reduce((sum, { grown }) => sum + grown.all / Math.max(grown.seconds, 1), 0);
  if (perSecond < opensPerSecondMin) return 0;
  const all = opens.reduce((sum, { grown }) => sum + grown.all, 0);
  return (100 * opens.reduce((sum, { grown }) => sum + grown.refused, 0)) / all;
}

function largest<T>(items: readonly T[], figure: (item: T) => number): number {
  return items.reduce((most, item) => Math.max(most, figure(item)), 0);
}

function known(readings: Readonly<Record<string, number | undefined>>): Readings {
  return Object.fromEntries(Object.entries(readings).filter(([, value]) => value !== undefined));
}
