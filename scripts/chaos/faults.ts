import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { HongbaoProblemError } from '#libs/client';
import { insist, isPassingError } from '../rehearse/patience.ts';
import { countActiveJobs, putJobsAgain, repeatReplies } from './lane-faults.ts';
import type { Fault, FaultOf } from './round-plan.ts';
import { countListedBlocks, takeCopy, wipe } from './store-faults.ts';
import { type ChaosSystem, fullService } from './system.ts';

/** Where and when a round's faults happen. */
export interface FaultScene {
  readonly system: ChaosSystem;
  readonly eventId: string;
  /** Start of the event, this machine's clock. */
  readonly startMs: number;
  /** Ends what has not begun yet. */
  readonly signal: AbortSignal;
  /** Told what was done and when, a line each. */
  readonly note: (line: string) => void;
  readonly count: (name: string, by?: number) => void;
}

const settlePauseMs = 150;
const settleTriesMax = 400;
const settlesAtOnceMax = 8;

/** Does all that the schedule says, at its times; resolves when the last of it is over. What concerns one target goes one after another. */
export async function runFaults(scene: FaultScene, faults: readonly Fault[]): Promise<void> {
  const turns = new Map<string, Promise<void>>();
  const runs = faults.map(async (fault) => {
    await delay(Math.max(0, scene.startMs + fault.atMs - Date.now()));
    const place = placeOf(fault);
    const turn = (turns.get(place) ?? Promise.resolve()).then(() => runOne(scene, fault));
    turns.set(place, turn);
    await turn;
  });
  await Promise.all(runs);
}

function placeOf(fault: Fault): string {
  if ('link' in fault) return fault.link;
  if ('target' in fault) return fault.kind === 'clock' ? `clock of ${fault.target}` : fault.target;
  return fault.kind === 'rewind' || fault.kind === 'wipe' ? 'redis' : fault.kind;
}

async function runOne(scene: FaultScene, fault: Fault): Promise<void> {
  if (scene.signal.aborted) return;
  scene.note(JSON.stringify(fault));
  scene.count(`fault ${fault.kind}`);
  const detail = await apply(scene, fault);
  scene.note(`${fault.kind} at ${fault.atMs} is over${detail ? `: ${detail}` : ''}`);
}

async function apply(scene: FaultScene, fault: Fault): Promise<string | undefined> {
  const { system } = scene;
  switch (fault.kind) {
    case 'kill':
      return await killAndRevive(scene, fault);
    case 'restart':
      await system.end(fault.target);
      return void (await system.revive(fault.target));
    case 'stop':
      return await stopAndGoOn(scene, fault);
    case 'cut':
    case 'delay':
    case 'drop':
    case 'mirror':
      return void (await harmLink(system, fault));
    case 'clock':
      await writeFile(system.clockFile(fault.target), String(fault.shiftMs));
      await delay(fault.forMs);
      return void (await writeFile(system.clockFile(fault.target), '0'));
    case 'wipe':
      return `${await wipe(system.cache, fault.what)} keys`;
    case 'rewind':
      return await rewind(scene, fault);
    case 'jobs-again':
      return `${await putJobsAgain(system, fault, scene.count)} items`;
    case 'replies-again':
      return `${await repeatReplies(system, fault.forMs)} replies`;
    case 'tier':
      return void (await lowerService(scene, fault));
    case 'settle':
      return await insistOnSettling(scene);
  }
}

async function killAndRevive({ system, count }: FaultScene, { target, downMs }: FaultOf<'kill'>): Promise<string> {
  const isConsumer = target.startsWith('allocation');
  const active = isConsumer ? await countActiveJobs(system.cache) : 0;
  await system.kill(target);
  if (isConsumer) count('jobs active at a kill', active);
  await delay(downMs);
  await system.revive(target);
  return isConsumer ? `${active} jobs were active` : '';
}

async function stopAndGoOn({ system, count }: FaultScene, { target, forMs }: FaultOf<'stop'>): Promise<string> {
  system.pause(target);
  const active = target.startsWith('allocation') ? await countActiveJobs(system.cache) : 0;
  count('jobs active at a stop', active);
  await delay(forMs);
  system.resume(target);
  return active > 0 ? `${active} jobs were active` : '';
}

/** Less is served for a while, as operators may have it: grabs are put off from tier 3 on, shakes thinned from tier 4 on. */
async function lowerService({ system }: FaultScene, { tier, forMs }: FaultOf<'tier'>): Promise<void> {
  await insist(() => system.ops.setTier({ mode: 'pinned', tier, reason: 'chaos' }));
  await delay(forMs);
  await insist(() => system.ops.setTier(fullService));
}

async function harmLink(
  system: ChaosSystem,
  fault: FaultOf<'cut'> | FaultOf<'delay'> | FaultOf<'drop'> | FaultOf<'mirror'>,
): Promise<void> {
  const link = system.link(fault.link);
  switch (fault.kind) {
    case 'cut':
      link.refuse(true);
      link.cut();
      await delay(fault.forMs);
      return link.refuse(false);
    case 'delay':
      link.slow(fault.byMs);
      await delay(fault.forMs);
      return link.slow(0);
    case 'drop':
      link.drop(fault.what);
      await delay(fault.forMs);
      return link.drop(undefined);
    case 'mirror':
      link.copyTo({ host: '127.0.0.1', port: system.portOf(fault.to) });
      await delay(fault.forMs);
      return link.copyTo(undefined);
  }
}

async function rewind({ system, count }: FaultScene, fault: FaultOf<'rewind'>): Promise<string> {
  const listed = await countListedBlocks(system.cache);
  const putBack = await takeCopy(system.redisDir);
  count('blocks listed at a copy', listed);
  await delay(fault.swapAtMs - fault.atMs);
  await system.replaceRedis(fault.downMs, putBack);
  return `${listed} blocks were listed in the copy`;
}

/** As an operator who does not want to wait, not even for the answer; being refused is what is expected. */
async function insistOnSettling({ system, eventId, signal, count }: FaultScene): Promise<string> {
  const asks = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let settledAt: number | undefined;
  const ask = async (tries: number): Promise<void> => {
    const answer = await askToSettle(system, eventId);
    if (answer === 'settled') settledAt ??= tries;
    else count(`settle ${answer}`);
  };
  for (let tries = 1; tries <= settleTriesMax && settledAt === undefined && !signal.aborted; tries += 1) {
    if (asks.size < settlesAtOnceMax) {
      const asking: Promise<void> = ask(tries)
        .catch((error: unknown) => void failures.push(error))
        .finally(() => asks.delete(asking));
      asks.add(asking);
    }
    await delay(settlePauseMs);
  }
  await Promise.all(asks);
  if (failures.length > 0) throw failures[0];
  return settledAt === undefined ? 'never settled' : `settled at try ${settledAt}`;
}

async function askToSettle(system: ChaosSystem, eventId: string): Promise<'settled' | 'too early' | 'refused'> {
  try {
    const { outcome } = await system.ops.settle(eventId, 'chaos: impatient');
    return outcome === 'settled' ? 'settled' : 'too early';
  } catch (error) {
    const isConflict = error instanceof HongbaoProblemError && error.code === 'state_conflict';
    if (!isConflict && !isPassingError(error)) throw error;
    return 'refused';
  }
}
