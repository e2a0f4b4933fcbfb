// What operations sees becomes readings: backlog and not age alone, half of the gateways, refusals between two samples.
import { describe, expect, it } from 'vitest';
import { type GatewaySeen, type LaneSeen, noMemory, type Observation, readSignals } from './observation.ts';

const storeMs = 1_000_000_000;

function observation(changes: Partial<Observation> = {}): Observation {
  return {
    nowMs: 50_000,
    storeMs,
    redisMs: 3,
    database: { isAnswering: true, timeMs: 4 },
    lanes: [],
    gateways: [],
    ...changes,
  };
}
const lane = (changes: Partial<LaneSeen> = {}): LaneSeen => ({
  lane: 'open-0',
  kind: 'open',
  jobs: 0,
  behindSinceMs: undefined,
  ...changes,
});
const gateway = (changes: Partial<GatewaySeen> = {}): GatewaySeen => ({
  id: 'gateway-0',
  atMs: storeMs,
  loopDelayMs: 0,
  role: 'all',
  opens: {},
  pace: { isOverloaded: false },
  admissionLevel: 0,
  ...changes,
});

/** The readings of several observations in a row. */
function readAll(...seen: readonly Partial<Observation>[]) {
  let memory = noMemory;
  return seen.map((changes) => {
    const read = readSignals(memory, observation(changes));
    memory = read.memory;
    return read.readings;
  });
}

describe('readings', () => {
  it('are all there, and 0, in an idle system', () => {
    expect(readAll({})[0]).toEqual({
      open_lane_age: 0,
      open_lane_depth: 0,
      grab_lane_age: 0,
      database_time: 4,
      redis_time: 3,
      loop_delay: 0,
      shake_loop_delay: 0,
      local_level: 0,
      overloaded: 0,
      opens_refused: 0,
    });
  });

  it('leave out what could not be read', () => {
    const [readings] = readAll({ lanes: undefined, gateways: undefined, redisMs: undefined });
    expect(readings).toEqual({ database_time: 4 });
  });

  it('tell how old a backlog is that has been there all the time', () => {
    const behind = (storeNowMs: number) => [lane({ jobs: 100, behindSinceMs: storeNowMs })];
    const [first, second] = readAll(
      { nowMs: 0, storeMs, lanes: behind(storeMs) },
      { nowMs: 5000, storeMs: storeMs + 5000, lanes: [...behind(storeMs), lane({ lane: 'open-1', jobs: 7 })] },
    );
    expect([first!.open_lane_age, first!.open_lane_depth]).toEqual([0, 100]);
    expect([second!.open_lane_age, second!.open_lane_depth]).toEqual([5000, 100]);
  });

  it('do not take opens that are sent again with an old receipt for a lane that is behind', () => {
    const resent = [lane({ jobs: 40, behindSinceMs: storeMs - 60_000 })];
    const readings = readAll(
      { nowMs: 0, lanes: resent },
      { nowMs: 1000, lanes: resent },
      { nowMs: 2000, lanes: [lane()] },
      { nowMs: 3000, lanes: resent },
    );
    expect(readings.map((reading) => reading.open_lane_age)).toEqual([0, 1000, 0, 0]);
  });

  it('do not blame the lanes of opens for a database that is away, those of grabs neither for long', () => {
    const lanes = [lane({ jobs: 5000, behindSinceMs: storeMs - 60_000 })];
    const [readings] = readAll({ lanes, database: { isAnswering: false, timeMs: 60_000 } });
    expect(readings).toMatchObject({ database_time: 60_000, grab_lane_age: 0 });
    expect(readings).not.toHaveProperty('open_lane_age');
    expect(readings).not.toHaveProperty('open_lane_depth');
  });

  it.each([
    [[700], 700],
    [[700, 10], 700],
    [[700, 10, 10], 10],
    [[700, 600, 10, 10], 600],
    [[], 0],
  ])('of gateways with delays %j are what at least half of them reach: %i', (delays, expected) => {
    const gateways = delays.map((loopDelayMs, no) => gateway({ id: `gateway-${no}`, loopDelayMs }));
    expect(readAll({ gateways })[0]!.loop_delay).toBe(expected);
  });

  // Proves that a drowned shake process gives up nothing that the others serve well, and that they hide no drowned money process.
  it.each([
    ['one of each, shakes drowned', { shake: [4000], money: [20] }, { loop_delay: 20, shake_loop_delay: 4000 }],
    ['one of each, money drowned', { shake: [20], money: [4000] }, { loop_delay: 4000, shake_loop_delay: 20 }],
    ['three and one, money drowned', { shake: [5, 6, 7], money: [4000] }, { loop_delay: 4000, shake_loop_delay: 6 }],
    ['one and two, shakes drowned', { shake: [900], money: [5, 6] }, { loop_delay: 6, shake_loop_delay: 900 }],
  ])('tell the delay of gateways by what they are there for: %s', (_name, { shake, money }, expected) => {
    const gateways = [
      ...shake.map((loopDelayMs, no) => gateway({ id: `s-${no}`, role: 'shake', loopDelayMs, admissionLevel: 2.5 })),
      ...money.map((loopDelayMs, no) => gateway({ id: `m-${no}`, role: 'money', loopDelayMs })),
    ];
    expect(readAll({ gateways })[0]).toMatchObject({ ...expected, local_level: 0 });
  });

  it('tell what half of the gateways that open packets refuse by themselves', () => {
    const gateways = [2.5, 1.2, 0].map((admissionLevel, no) => gateway({ id: `gateway-${no}`, admissionLevel }));
    expect(readAll({ gateways })[0]!.local_level).toBe(1.2);
  });

  it('leave out a gateway that has been silent', () => {
    expect(readAll({ gateways: [gateway({ loopDelayMs: 900, atMs: storeMs - 3001 })] })[0]!.loop_delay).toBe(0);
  });

  it('tell for how long the gateways have been overloaded, from the first look on', () => {
    const overloaded = [gateway({ pace: { isOverloaded: true } })];
    const readings = readAll(
      { nowMs: 0, gateways: overloaded },
      { nowMs: 4000, gateways: overloaded },
      { nowMs: 5000, gateways: undefined },
      { nowMs: 6000, gateways: overloaded },
      { nowMs: 7000, gateways: [gateway()] },
      { nowMs: 8000, gateways: overloaded },
    );
    expect(readings.map((reading) => reading.overloaded)).toEqual([0, 4000, undefined, 6000, 0, 0]);
  });

  it('ask for how long only of gateways that take shakes', () => {
    const gateways = [
      gateway({ role: 'shake', pace: { isOverloaded: true } }),
      ...[1, 2].map((no) => gateway({ id: `money-${no}`, role: 'money' })),
    ];
    expect(readAll({ nowMs: 0, gateways }, { nowMs: 2000, gateways })[1]!.overloaded).toBe(2000);
  });

  it('count an open that the gate refused among those that were refused', () => {
    const sampleAt = (seconds: number, opens: Record<string, number>) => ({
      storeMs: storeMs + seconds * 1000,
      gateways: [gateway({ atMs: storeMs + seconds * 1000, opens })],
    });
    const readings = readAll(sampleAt(0, { credited: 10, shed: 5 }), sampleAt(1, { credited: 40, shed: 65 }));
    expect(readings[1]!.opens_refused).toBeCloseTo(66.7, 1);
  });

  it('tell which part of the opens between two samples was refused, also when a sample is seen twice', () => {
    const sampleAt = (seconds: number, opens: Record<string, number>) => ({
      storeMs: storeMs + seconds * 1000,
      gateways: [gateway({ atMs: storeMs + seconds * 1000, opens })],
    });
    const readings = readAll(
      sampleAt(0, { credited: 1000, overloaded: 500 }),
      sampleAt(1, { credited: 1030, overloaded: 505, queue_unavailable: 5 }),
      sampleAt(1, { credited: 1030, overloaded: 505, queue_unavailable: 5 }),
      sampleAt(2, { credited: 1039, overloaded: 515, queue_unavailable: 5 }),
      sampleAt(3, { credited: 3 }),
      sampleAt(4, { credited: 103 }),
    );
    // the first sample is of any time, 19 opens in a second are too few, a smaller total is a new process
    expect(readings.map((reading) => reading.opens_refused)).toEqual([0, 25, 25, 0, 0, 0]);
  });
});
