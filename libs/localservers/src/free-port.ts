import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the range from which the kernel takes the local ports of outgoing connections (32768 and up on Linux): a port from
 * here is still free when a server that was stopped under load comes back to it.
 */
const portFirst = 20_000;
const portLast = 31_999;
const attemptsMax = 200;
const handedOutMax = 4_096;
const handedOut = new Set<number>();

/** Can a server listen on this port now? `host` is an address of this machine. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** A free port on 127.0.0.1 that this process was not given before. Another process may still take it first: listen soon. */
export async function freePort(): Promise<number> {
  if (handedOut.size >= handedOutMax) handedOut.clear();
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const port = randomInt(portFirst, portLast + 1);
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await isPortFree(port)) return port;
  }
  throw new Error(`No free port found between ${portFirst} and ${portLast} in ${attemptsMax} attempts`);
}
