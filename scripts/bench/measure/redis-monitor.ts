import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const sourceOfLine = /^\+\d+\.\d+ \[\d+ (\S+)\] /;
const readyMaxMs = 20_000;

/** Where a line of `MONITOR` comes from: an address, or `lua` for a command of a script; undefined for any other line. */
export function monitoredSource(line: string): string | undefined {
  return sourceOfLine.exec(line)?.[1];
}

/** Tells the source of every command that a Redis executes, until it is closed. */
export async function watchCommands(redisUrl: string, onCommand: (source: string) => void): Promise<{ close(): void }> {
  const { hostname, port, password } = new URL(redisUrl);
  const socket = connect({ host: hostname, port: Number(port) });
  const lines = createInterface({ input: socket });
  const watching = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('Redis does not answer MONITOR')), readyMaxMs);
    socket.once('error', reject);
    let accepted = 0;
    lines.on('line', (line) => {
      const source = monitoredSource(line);
      if (source !== undefined) return onCommand(source);
      // AUTH, then MONITOR
      if (line === '+OK') accepted += 1;
      else reject(new Error(`Redis refuses MONITOR: ${line}`));
      if (accepted < 2) return undefined;
      clearTimeout(late);
      return resolve();
    });
  });
  socket.write(`AUTH ${password}\r\nMONITOR\r\n`);
  try {
    await watching;
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return { close: () => socket.destroy() };
}
