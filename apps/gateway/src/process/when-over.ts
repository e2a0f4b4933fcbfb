import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Of connections with answers that wait for their turn, or did: who is to be told of the end of each. */
const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Tells once that an answer is over, sent or lost. An answer that waits behind others of its connection has no socket yet, and node:http
 * says nothing of it when the connection ends: that is heard of the connection then.
 */
export function whenOver(response: ServerResponse, over: () => void): void {
  if (response.socket !== null) {
    response.on('close', over);
    return;
  }
  const others = waitingOf(response.req.socket);
  const once = (): void => {
    if (others.delete(once)) over();
  };
  others.add(once);
  response.on('close', once);
}

function waitingOf(connection: Socket): Set<() => void> {
  const known = waiting.get(connection);
  if (known !== undefined) return known;
  const made = new Set<() => void>();
  waiting.set(connection, made);
  connection.on('close', () => {
    for (const over of made) over();
  });
  return made;
}
