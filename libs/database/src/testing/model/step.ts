import * as fc from 'fast-check';
import type { Habits } from './actors.ts';
import type { Stage } from './stage.ts';
import { tasksMax } from './stage.ts';
import type { Ticket } from './store.ts';
import type { Fault, Task } from './task.ts';
import type { World } from './world.ts';

/* What the commands of the model tests are made of. */

export interface Real {
  readonly stage: Stage;
  readonly habits: Habits;
}

export type ModelCommand = fc.AsyncCommand<World, Real>;

export class Step implements ModelCommand {
  constructor(
    private readonly what: string,
    private readonly can: (world: World) => boolean,
    private readonly act: (world: World, real: Real) => Promise<void> | void,
  ) {}

  check(world: World): boolean {
    return this.can(world);
  }

  async run(world: World, real: Real): Promise<void> {
    await this.act(world, real);
  }

  toString(): string {
    return this.what;
  }
}

export const at = <T>(list: readonly T[], pick: number): T => list[pick % list.length]!;
export const always = () => true;
export const text = (...parts: unknown[]) =>
  parts.map((part) => (typeof part === 'object' ? JSON.stringify(part) : part)).join(' ');

/** Crash points and pauses before, in and behind the steps of an operation that has so many; half of all run through. */
export const faultsIn = (steps: number) =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<Fault[]>([]) },
    {
      weight: 5,
      arbitrary: fc.array(
        fc.record({
          at: fc.nat(steps - 1),
          how: fc.constantFrom<Fault['how']>('hold', 'hold', 'hold', 'end', 'lose', 'cut'),
        }),
        { minLength: 1, maxLength: 2 },
      ),
    },
  );
/** Late ones often stand between the function's work and its commit, with their locks held. */
export const faultsOfLate = fc.oneof(faultsIn(3), fc.constant<Fault[]>([{ at: 2, how: 'hold' }]));

export type Operation = (task: Task, world: World, real: Real) => Promise<void>;

/** An operation of a process of its own. */
export function operation(
  what: string,
  faults: readonly Fault[],
  run: Operation,
  can: (world: World) => boolean = always,
) {
  return new Step(text(what, faults), can, (world, real) =>
    carryOut(real, what, faults, (task) => run(task, world, real)),
  );
}

export async function carryOut(
  { stage }: Real,
  what: string,
  faults: readonly Fault[],
  run: (task: Task) => Promise<void>,
): Promise<void> {
  while (stage.underWay.length >= tasksMax) await stage.resume(stage.next());
  await stage.run(what, faults, run);
}

export function wait(world: World, ms: number): void {
  world.nowMs += ms;
}

export const hasTicket = (world: World) => world.tickets.length > 0;

/** `now`: its job is durable at once. `late`: within the bound that lanes keep, or not at all. `never`: an entry without a job. */
export type Opening = 'not' | 'now' | 'late' | 'never';

export function open(world: World, ticket: Ticket, how: Opening, isPoison: boolean): void {
  if (how === 'not') return;
  const acceptance = world.accept(ticket, isPoison);
  if (how === 'late') return;
  const job = world.jobOf(acceptance);
  world.store.enter(job);
  if (how === 'now') world.land(job, world.nowMs);
}
