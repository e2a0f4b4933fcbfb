import * as fc from 'fast-check';
import { reclaim, restock, stock } from './actors.ts';
import { closes, ends, settles, workAll } from './ends.ts';
import { grab, openLate, recall, replay, work } from './lanes.ts';
import { keyOf } from './reference.ts';
import {
  always,
  at,
  carryOut,
  faultsIn,
  faultsOfLate,
  hasTicket,
  type ModelCommand,
  type Opening,
  open,
  operation,
  type Real,
  Step,
  text,
  wait,
} from './step.ts';
import type { Ticket } from './store.ts';
import { acceptMaxMs, userCount, type World } from './world.ts';

const stockerSteps = 8;
const reclaimSteps = 11;
const laneSteps = 5;
const pick = fc.nat(5);
const sponsorNo = fc.nat(2);
const user = fc.nat(userCount - 1);

/** Time passes: some of it, or until just before, at or after an instant at which something changes. */
const clock = fc
  .constantFrom(50, 200, 500, 1000)
  .map((ms) => new Step(`wait ${ms}`, always, (world) => wait(world, ms)));
const deadlines = fc
  .tuple(fc.constantFrom('issue' as const, 'accept' as const, 'reclaim' as const), pick, fc.constantFrom(-1, 0, 1))
  .map(([kind, one, off]) => {
    const ahead = (world: World) =>
      world
        .deadlines(kind)
        .map((ms) => ms + off - world.nowMs)
        .filter((ms) => ms > 0);
    const act = (world: World) => wait(world, at(ahead(world), one));
    return new Step(text('wait for', kind, one, off), (world) => ahead(world).length > 0, act);
  });

const opening = fc.constantFrom<Opening>('not', 'now', 'now', 'now', 'now', 'late', 'never');
const poison = fc.nat(11).map((n) => n === 0);

const shakes = fc
  .tuple(pick, fc.array(user, { minLength: 1, maxLength: 3 }), opening, poison)
  .map(([one, users, how, isPoison]) => {
    const act = (world: World) => {
      const { gateway, poolId } = at(world.winnable(), one);
      for (const userNo of users) {
        const ticket = world.shake(gateway, poolId, userNo);
        if (ticket !== undefined) open(world, ticket, how, isPoison);
      }
    };
    const can = (world: World) => world.winnable().length > 0;
    return new Step(text('shake', one, users, how, isPoison ? 'poison' : ''), can, act);
  });

const gatewayDies = fc
  .nat(1)
  .map((gateway) => new Step(`gateway ${gateway} dies`, always, (world) => world.gatewayDies(gateway)));

const opens = fc.tuple(pick, opening, poison).map(
  ([one, how, isPoison]) =>
    new Step(
      text('open', one, how, isPoison ? 'poison' : ''),
      (world) => world.openable().length > 0,
      (world) => open(world, at(world.openable(), one), how, isPoison),
    ),
);

const isUnderWay =
  (world: World) =>
  ({ isDurable, acceptedAtMs }: { isDurable: boolean; acceptedAtMs: number }) =>
    !isDurable && world.nowMs <= acceptedAtMs + acceptMaxMs;

const landings = pick.map((one) => {
  const late = (world: World) => world.acceptances.filter(isUnderWay(world));
  const act = (world: World) => {
    const acceptance = at(late(world), one);
    const job = world.jobOf(acceptance);
    world.store.enter(job);
    world.land(job, acceptance.acceptedAtMs);
  };
  return new Step(text('land', one), (world) => late(world).length > 0, act);
});

/** With the receipt, at any time: the open is honoured as it was accepted. */
const asksAgain = pick.map((one) => {
  const promised = (world: World) => world.acceptances.filter(({ isDurable }) => isDurable).reverse();
  const act = (world: World) => {
    const job = world.jobOf(at(promised(world), one));
    world.store.enter(job);
    world.land(job, world.nowMs);
  };
  return new Step(text('ask again', one), (world) => !world.reference.isSettling && promised(world).length > 0, act);
});

/** Any tick of a stocker has something to do. */
const isReset = ({ store }: World) => !store.isStamped;

const stocks = fc
  .tuple(sponsorNo, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 2 }), faultsIn(stockerSteps))
  .map(([no, upToBlock, countMax, list]) =>
    operation(
      text('stock', no, upToBlock, countMax),
      list,
      (task, world, { habits }) => stock(task, world, habits, { sponsorNo: no, upToBlock, countMax }),
      (world) => isReset(world) || world.reference.nextBlocks.get(world.poolOf(no).poolId)! < upToBlock,
    ),
  );

const restocks = fc.tuple(pick, fc.integer({ min: 1, max: 2 }), faultsIn(stockerSteps)).map(([one, countMax, list]) => {
  const waiting = (world: World) => world.blocksIn('reclaimed');
  return operation(
    text('restock', one, countMax),
    list,
    (task, world, { habits }) =>
      restock(task, world, habits, { poolId: at(waiting(world), one)?.poolId ?? 0, countMax }),
    (world) => isReset(world) || waiting(world).length > 0,
  );
});

const reclaims = faultsIn(reclaimSteps).map((list) =>
  operation(
    'reclaim',
    list,
    (task, world, { habits }) => reclaim(task, world, habits),
    (world) => isReset(world) || world.deadlines('reclaim').some((ms) => ms <= world.nowMs),
  ),
);

/** A block's whole way back, so that there are enough of them: until it is due, reclaim, perhaps an open that comes too late, restock. */
const turns = fc
  .record({
    one: pick,
    lateMs: fc.constantFrom(0, 0, 1, 500),
    reclaimed: faultsIn(reclaimSteps),
    opened: fc.option(faultsOfLate),
    restocked: faultsIn(stockerSteps),
  })
  .map((turn) => {
    const act = async (world: World, real: Real) => {
      const { poolId, blockNo, epoch, issueUntilMs } = at(world.blocksIn('out'), turn.one);
      const { ticketTtlMs, graceMs } = world.reference.event;
      wait(world, Math.max(issueUntilMs + ticketTtlMs + graceMs + turn.lateMs - world.nowMs, 0));
      await carryOut(real, 'reclaim', turn.reclaimed, (task) => reclaim(task, world, real.habits));
      const late = world.pastTicketsOf({ poolId, blockNo, epoch });
      const { opened } = turn;
      if (opened !== null && late.length > 0)
        await carryOut(real, 'open late', opened, (task) => openLate(task, world, at(late, turn.one)));
      const due = { poolId, countMax: 2 };
      await carryOut(real, 'restock', turn.restocked, (task) => restock(task, world, real.habits, due));
    };
    return new Step(text('turn', turn), (world) => world.blocksIn('out').length > 0, act);
  });

/** Jobs run again as often as they lie there, at the same time too. */
const works = fc.tuple(pick, fc.integer({ min: 1, max: 6 }), faultsIn(laneSteps)).map(([from, count, list]) =>
  operation(
    text('work', from, count),
    list,
    (task, world) => {
      const jobs = world.store.waiting();
      return work(task, world, jobs.slice(from % jobs.length).slice(0, count));
    },
    (world) => world.store.waiting().length > 0,
  ),
);

const latest = (world: World, one: number) => at([...world.tickets].reverse(), one);

const lateOpens = fc.tuple(fc.nat(9), faultsIn(3)).map(([one, list]) => {
  const expired = (world: World) => world.tickets.filter(({ expiresAtMs }) => expiresAtMs <= world.nowMs).reverse();
  return operation(
    text('open late', one),
    list,
    (task, world) => openLate(task, world, at(expired(world), one)),
    (world) => expired(world).length > 0,
  );
});

/** Mostly of packets that somebody has, by this ticket or by another one. */
function shareOf(world: World, one: number): Ticket {
  const granted = world.tickets.filter(({ packetId }) => world.reference.grants.has(packetId)).reverse();
  return one > 2 && granted.length > 0 ? at(granted, one) : latest(world, one);
}

const grabs = fc
  .tuple(fc.nat(9), fc.uniqueArray(user, { minLength: 1, maxLength: 3 }), faultsIn(3))
  .map(([one, friends, list]) =>
    operation(
      text('grab', one, friends),
      list,
      (task, world) =>
        grab(
          task,
          world,
          shareOf(world, one),
          friends.map((no) => world.userId(no)),
        ),
      hasTicket,
    ),
  );

/**
 * Somebody wins a packet, does not open it, wins it again when it has come back, and opens it then; friends have his first share and his
 * second one.
 */
const regains = fc
  .record({ one: pick, users: fc.uniqueArray(user, { minLength: 2, maxLength: 3 }), grabbed: faultsIn(3) })
  .map((regain) => {
    const act = async (world: World, real: Real) => {
      const { gateway, poolId } = at(world.winnable(), regain.one);
      const [owner, ...friends] = regain.users as [number, ...number[]];
      const first = world.shake(gateway, poolId, owner);
      if (first === undefined) return;
      await real.stage.drain();
      const { issueUntilMs } = world.reference.blockOf(first.packetId)!;
      const { ticketTtlMs, graceMs } = world.reference.event;
      wait(world, Math.max(issueUntilMs + ticketTtlMs + graceMs - world.nowMs, 0));
      await carryOut(real, 'reclaim', [], (task) => reclaim(task, world, real.habits));
      await carryOut(real, 'restock', [], (task) => restock(task, world, real.habits, { poolId, countMax: 8 }));
      for (let place = placeOf(world, poolId); place !== undefined; place = placeOf(world, poolId)) {
        const ticket = world.shake(place.gateway, poolId, owner)!;
        if (ticket.packetId !== first.packetId) continue;
        open(world, ticket, 'now', false);
        break;
      }
      await workAll(world, real);
      const friendIds = friends.map((no) => world.userId(no));
      await carryOut(real, 'grab', regain.grabbed, (task) => grab(task, world, first, friendIds));
    };
    return new Step(text('regain', regain), (world) => world.winnable().length > 0, act);
  });

const placeOf = (world: World, poolId: number) => world.winnable().find((place) => place.poolId === poolId);

const recalls = fc
  .nat(9)
  .map((one) =>
    operation(text('recall', one), [], (task, world) => recall(task, world, latest(world, one)), hasTicket),
  );

const waitingLetters = ({ reference, acceptances }: World) =>
  acceptances.filter(({ ticket, isPoison }) => isPoison && reference.letters.get(keyOf(ticket)) === true);

const replays = fc.tuple(pick, faultsIn(7)).map(([one, list]) =>
  operation(
    text('replay', one),
    list,
    (task, world) => replay(task, world, at(waitingLetters(world), one)),
    (world) => waitingLetters(world).length > 0,
  ),
);

/** And the next tick of a stocker, which finds it out. */
const storeEnds = fc
  .tuple(fc.constantFrom('empty' as const, 'stale' as const), sponsorNo, faultsIn(stockerSteps))
  .map(([by, no, list]) => {
    const act = async (world: World, real: Real) => {
      world.store.replace(by);
      const due = { sponsorNo: no, upToBlock: 6, countMax: 1 };
      await carryOut(real, 'stock', list, (task) => stock(task, world, real.habits, due));
    };
    return new Step(text('the store is replaced:', by, no, list), always, act);
  });
const storeKeeps = fc.constant(new Step('a replica falls behind', always, ({ store }) => store.keep()));
const orphans = fc.constant(
  new Step('drop orphans', always, ({ store, nowMs }) => store.dropOrphans(nowMs - 2 * acceptMaxMs)),
);

const isBusy = (world: World) => world.isBusy();
const resumes = pick.map(
  (one) => new Step(text('resume', one), isBusy, (_, { stage }) => stage.resume(at(stage.underWay, one))),
);
const kills = pick.map(
  (one) => new Step(text('kill', one), isBusy, (_, { stage }) => stage.kill(at(stage.underWay, one))),
);

const all = {
  clock,
  deadlines,
  shakes,
  gatewayDies,
  opens,
  landings,
  asksAgain,
  stocks,
  restocks,
  reclaims,
  turns,
  works,
  lateOpens,
  grabs,
  regains,
  recalls,
  replays,
  storeEnds,
  storeKeeps,
  orphans,
  resumes,
  kills,
  closes,
  settles,
  ends,
};

export type Weights = Readonly<Partial<Record<keyof typeof all, number>>>;

/** Sequences of up to `commandsMax` commands, each kind as often as its weight says. */
export function commandsOf(weights: Weights, commandsMax: number): fc.Arbitrary<Iterable<ModelCommand>> {
  const kinds = Object.entries(weights) as [keyof typeof all, number][];
  const one = fc.oneof(...kinds.map(([kind, weight]) => ({ weight, arbitrary: all[kind] as fc.Arbitrary<Step> })));
  return fc.commands([one], { maxCommands: commandsMax, size: 'max' });
}
