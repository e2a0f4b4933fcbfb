import { deviceClock } from '#libs/client';
import type { Stack } from '../stack/index.ts';
import type { NightTimes } from './night-plan.ts';

interface Victim {
  readonly name: string;
  kill(): Promise<void>;
}

/** The processes of these names. @throws Error naming those that the system does not have. */
export function victimsOf(stack: Stack, names: readonly string[]): Victim[] {
  const services = new Map(stack.processes.map((service) => [service.name, () => service.kill()]));
  const known = new Map<string, Victim['kill']>(services);
  for (const [name, server] of Object.entries({ redis: stack.redis, postgres: stack.postgres })) {
    // Not by its own `kill`, which is meant to last: the supervisor shall find it dead and start it again.
    if (server) known.set(name, async () => void process.kill(server.pid, 'SIGKILL'));
  }
  return names.map((name) => {
    const kill = known.get(name);
    if (!kill) throw new Error(`--kill: there is no ${name}, but ${[...known.keys()].join(', ')}`);
    return { name, kill };
  });
}

/** Kills them one after the other, spread over the time of shaking; the supervisor starts each again. */
export async function killAlong(
  victims: readonly Victim[],
  times: NightTimes,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  const stepMs = (times.endMs - times.startMs) / (victims.length + 1);
  for (const [index, victim] of victims.entries()) {
    await deviceClock.sleep(times.startMs + stepMs * (index + 1) - Date.now(), signal);
    if (signal.aborted) return;
    say(`kill -9 ${victim.name}`);
    await victim.kill();
  }
}
