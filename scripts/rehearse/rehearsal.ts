import { monitorEventLoopDelay } from 'node:perf_hooks';
import { deviceClock, HongbaoOps } from '#libs/client';
import type { Reconciliation } from '#libs/contracts';
import { Crowd } from './crowd.ts';
import { killAlong, victimsOf } from './killer.ts';
import { type LatencySummary, Meters } from './meters.ts';
import type { RehearsalOptions } from './options.ts';
import { Progress, type Sample } from './progress.ts';
import { type Stage, setStage } from './stage.ts';
import type { Target } from './target.ts';
import { createTransport } from './transport.ts';
import { passVerdict } from './verdict.ts';

export interface RehearsalResult {
  readonly eventId: string;
  readonly startedAt: string;
  readonly options: Omit<RehearsalOptions, 'target'>;
  /** Counts of what became of shakes, opens, shares and grabs, and of HTTP answers by route and status. */
  readonly outcomes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly latencies: Readonly<Record<string, LatencySummary>>;
  /** How late the driver's own timers ran: latencies may be too high by as much. */
  readonly driverDelayP99Ms: number;
  readonly beforeSettle: Reconciliation;
  readonly afterSettle: Reconciliation | undefined;
  readonly violations: readonly string[];
  readonly samples: readonly Sample[];
}

/** After the end of the shares everything in flight has this long to get its outcome. */
const quiesceMaxMs = 90_000;
/** The tier for the progress line: asked once, without patience. */
const tierLimits = { callTriesMax: 1, requestTimeoutMs: 2000 };
const outcomeGroups = ['users', 'shake', 'tickets', 'opens', 'open', 'share', 'share page', 'grabs', 'grab'];
const failureGroups = ['given up', 'defect', 'http'];

/**
 * A scripted night on a running system, from the creation of its event to its settlement and the proof.
 * @throws Error when the night cannot be held at all or `signal` breaks it off; what goes wrong in it is a violation.
 */
export async function rehearse(
  options: RehearsalOptions,
  target: Target,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<RehearsalResult> {
  const victims = target.stack ? victimsOf(target.stack, options.kill) : [];
  const meters = new Meters();
  const transport = createTransport(meters);
  const driverDelay = monitorEventLoopDelay({ resolution: 10 });
  const tierOps = new HongbaoOps({ baseUrl: target.opsUrl, token: target.opsToken, limits: tierLimits });
  const progress = new Progress(meters, tierOps, say);
  try {
    const stage = await setStage(options, target, meters, transport.fetch, signal);
    say(`event ${stage.scene.eventId}: ${options.users} users, ${options.packets} packets, seed ${options.seed}`);
    const crowd = new Crowd(stage.scene, options.users);
    driverDelay.enable();
    progress.start();
    crowd.start();
    await Promise.all([killAlong(victims, stage.night, stage.scene.signal, say), quiesce(stage)]);
    driverDelay.disable();
    progress.stop();
    signal.throwIfAborted();
    const verdict = await passVerdict(stage, crowd.userIds(), say, signal);
    const { target: _target, ...told } = options;
    return {
      eventId: stage.scene.eventId,
      startedAt: new Date(stage.night.startMs).toISOString(),
      options: told,
      ...measuredBy(meters),
      driverDelayP99Ms: Math.round(driverDelay.percentile(99) / 1e5) / 10,
      samples: progress.samples,
      ...verdict,
    };
  } finally {
    progress.stop();
    await transport.close();
  }
}

/** Waits until every user is done; what has no outcome long after the end is broken off, and shows as a violation. */
async function quiesce({ scene, breakOff }: Stage): Promise<void> {
  const done = new AbortController();
  const patience = scene.times.sharesEndMs + quiesceMaxMs - Date.now();
  const drained = scene.tasks.drained().finally(() => done.abort());
  await deviceClock.sleep(patience, done.signal);
  if (!done.signal.aborted) breakOff();
  await drained;
}

function measuredBy({ counters, latencies }: Meters): Pick<RehearsalResult, 'outcomes' | 'latencies'> {
  const groups = [...outcomeGroups, ...failureGroups].map((group) => [group, counters.under(`${group}.`)]);
  const summaries = Object.entries(latencies).map(([name, histogram]) => [name, histogram.summary()]);
  return { outcomes: Object.fromEntries(groups), latencies: Object.fromEntries(summaries) };
}
