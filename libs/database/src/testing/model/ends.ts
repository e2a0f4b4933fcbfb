import * as fc from 'fast-check';
import { stock } from './actors.ts';
import { openLate, work } from './lanes.ts';
import { close, settleAll, settleAtMs } from './settling.ts';
import {
  at,
  carryOut,
  faultsIn,
  faultsOfLate,
  hasTicket,
  open,
  operation,
  type Real,
  Step,
  text,
  wait,
} from './step.ts';
import type { Fault } from './task.ts';
import { stockLeadMs, type World } from './world.ts';

const closeSteps = 4;
const settleSteps = 16;

export const closes = faultsIn(closeSteps).map((list) => operation('close', list, close));
export const settles = faultsIn(settleSteps).map((list) =>
  operation(
    'settle',
    list,
    (task, world, { habits }) => settleAll(task, world, habits),
    ({ reference }) => reference.state !== 'live',
  ),
);

/** Before its statement: nobody waits for its locks. */
const standsStill = fc.nat(1).map((at): Fault[] => [{ at, how: 'hold' }]);

/**
 * The event is closed, by somebody who may stand still in the middle of it while others go on stocking and winning; time passes, and it
 * is settled as soon as it may be, perhaps beside an open that comes too late.
 */
export const ends = fc
  .record({
    one: fc.nat(9),
    beforeMs: fc.constantFrom(0, 4000),
    closed: fc.oneof(fc.constant<Fault[]>([]), standsStill, faultsIn(closeSteps)),
    awayMs: fc.constantFrom(0, 4 * stockLeadMs),
    isWorked: fc.boolean(),
    opened: faultsOfLate,
    settled: faultsIn(settleSteps),
  })
  .map((end) => {
    const act = async (world: World, real: Real) => {
      const { reference } = world;
      wait(world, end.beforeMs);
      await carryOut(real, 'close', end.closed, (task) => close(task, world));
      if (reference.state === 'live') {
        wait(world, end.awayMs);
        await winMore(world, real, end.one);
        await real.stage.drain();
      }
      if (reference.closedAtMs === undefined) return;
      if (end.isWorked) await workAll(world, real);
      wait(world, Math.max(settleAtMs(reference, real.habits) - world.nowMs, 0));
      const late = world.unlapsed();
      if (late.length > 0)
        await carryOut(real, 'open late', end.opened, (task) => openLate(task, world, at(late, end.one)));
      await carryOut(real, 'settle', end.settled, (task) => settleAll(task, world, real.habits));
    };
    return new Step(text('end', end), hasTicket, act);
  });

export async function workAll(world: World, real: Real): Promise<void> {
  const { store } = world;
  await real.stage.drain();
  if (store.waiting().length > 0) await carryOut(real, 'work', [], (task) => work(task, world, store.waiting()));
}

/** A block is stocked, and won from in its last moment. */
async function winMore(world: World, real: Real, one: number): Promise<void> {
  const { poolId, sponsorNo } = at(world.reference.event.pools, one);
  const upToBlock = world.reference.nextBlocks.get(poolId)! + 1;
  const due = { sponsorNo, upToBlock, countMax: 1 };
  await carryOut(real, 'stock', [], (task) => stock(task, world, real.habits, due));
  wait(world, world.reference.event.blockLifeMs! - 1);
  const place = world.winnable().find((able) => able.poolId === poolId);
  const ticket = place && world.shake(place.gateway, poolId, one);
  if (ticket !== undefined) open(world, ticket, one % 2 === 0 ? 'now' : 'not', false);
}
