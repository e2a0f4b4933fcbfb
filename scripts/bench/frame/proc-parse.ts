/** What /proc says, as numbers. */

/** Cores of `Cpus_allowed_list` in a `/proc/<pid>/status`: `0-2,5` is 0, 1, 2, 5. */
export function coreListOf(status: string): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '';
  return list
    .split(',')
    .filter((range) => range !== '')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, at) => first + at);
    });
}

/** Ticks since the start of the machine that these cores were there and were busy, from `/proc/stat`. */
export function cpuTimesOf(stat: string, cores: readonly number[]): { total: number; busy: number } {
  let total = 0;
  let busy = 0;
  for (const core of cores) {
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (
      new RegExp(`^cpu${core} (.*)$`, 'm').exec(stat)?.[1] ?? ''
    )
      .split(' ')
      .map(Number);
    const used = user + nice + system + irq + softirq + steal;
    busy += used;
    total += used + idle + iowait;
  }
  return { total, busy };
}

/** Resident memory in bytes, from `/proc/<pid>/status`. */
export function residentBytesOf(status: string): number {
  return bytesIn(status, 'VmRSS');
}

/** The most that was ever resident. */
export function peakBytesOf(status: string): number {
  return bytesIn(status, 'VmHWM');
}

function bytesIn(status: string, name: string): number {
  const kilobytes = new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`there is no ${name}: the process has ended`);
  return Number(kilobytes) * 1024;
}

/** Microseconds that a task has run, from `/proc/<pid>/task/<tid>/schedstat`. */
export function ranMicrosOf(schedstat: string): number {
  const nanoseconds = Number(schedstat.split(' ')[0]);
  if (!Number.isFinite(nanoseconds)) throw new Error(`no schedstat: ${schedstat}`);
  return nanoseconds / 1000;
}

/** Clock ticks that ended children of a process had, from its `/proc/<pid>/stat`: the name in it may hold anything but a line end. */
export function reapedTicksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [Number(fields[13]), Number(fields[14])];
  if (!Number.isFinite(user + system)) throw new Error(`no times of children: ${stat}`);
  return user + system;
}
