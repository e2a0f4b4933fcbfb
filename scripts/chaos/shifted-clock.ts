/**
 * Loaded into a service before anything of its own (`node --import …/shifted-clock.js?file=PATH`): shifts its wall clock by as many
 * milliseconds as the file says, and goes on reading it, so that the clock jumps while the service runs. What counts elapsed time
 * (`performance.now`, timers) stays true, as it does when the clock of a real machine is set.
 */
import { readFileSync } from 'node:fs';

const pollMs = 50;
const path = new URL(import.meta.url).searchParams.get('file');
const RealDate = Date;
const realNow = RealDate.now.bind(RealDate);
let shiftMs = 0;

function readShift(): void {
  const text = path === null ? '' : readFileSync(path, 'utf8');
  // A file that is being written may be empty for an instant.
  if (/^-?\d+\s*$/.test(text)) shiftMs = Number(text);
}

const shiftedNow = (): number => realNow() + shiftMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: [], newTarget) =>
    args.length === 0
      ? Reflect.construct(target, [shiftedNow()], newTarget)
      : Reflect.construct(target, args, newTarget),
  apply: () => new RealDate(shiftedNow()).toString(),
  get: (target, key, receiver) => (key === 'now' ? shiftedNow : Reflect.get(target, key, receiver)),
});

readShift();
setInterval(readShift, pollMs).unref();
