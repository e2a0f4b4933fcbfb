// The probe: one question at a time, never waited for; slow and away are told apart from answering by what was seen so far.
import { expect, it } from 'vitest';
import { DatabaseProbe } from './database-probe.ts';

/** A database whose answers come when a test says so. */
function create() {
  const clock = { nowMs: 1000 };
  const open: { answer(): void; fail(): void }[] = [];
  const query = () =>
    new Promise((resolve, reject) =>
      open.push({ answer: () => resolve(undefined), fail: () => reject(new Error('away')) }),
    );
  const probe = new DatabaseProbe(
    { query } as unknown as ConstructorParameters<typeof DatabaseProbe>[0],
    () => clock.nowMs,
  );
  const settle = async (how: 'answer' | 'fail') => {
    open.shift()![how]();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { clock, probe, open, settle };
}

it('tells the time of the last answer', async () => {
  const { clock, probe, settle } = create();
  probe.ask();
  clock.nowMs += 30;
  await settle('answer');
  clock.nowMs += 1000;
  expect(probe.answer()).toEqual({ isAnswering: true, timeMs: 30 });
});

it('tells of a question that is still open how long it has been, and asks no second one', () => {
  const { clock, probe, open } = create();
  probe.ask();
  clock.nowMs += 1900;
  probe.ask();
  expect([open.length, probe.answer()]).toEqual([1, { isAnswering: true, timeMs: 1900 }]);
  clock.nowMs += 200;
  expect(probe.answer()).toEqual({ isAnswering: false, timeMs: 2100 });
});

it('tells of a database that fails for how long it has not answered, until it does', async () => {
  const { clock, probe, settle } = create();
  probe.ask();
  await settle('answer');
  for (let n = 0; n < 3; n++) {
    clock.nowMs += 1000;
    probe.ask();
    await settle('fail');
  }
  expect(probe.answer()).toEqual({ isAnswering: false, timeMs: 3000 });
  probe.ask();
  clock.nowMs += 5;
  await settle('answer');
  expect(probe.answer()).toEqual({ isAnswering: true, timeMs: 5 });
});
