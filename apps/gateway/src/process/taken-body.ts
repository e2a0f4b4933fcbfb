import type { IncomingMessage } from 'node:http';

/** What node:http keeps to itself of a request: see `leaveUnread`. */
interface RequestInside {
  _consuming?: boolean;
  socket: { parser?: { incoming: unknown } | null };
  /** Handed what was read of the body, and null at its end. */
  push(chunk: Buffer | null): boolean;
}

/**
 * Takes the body of a request as the parser hands it over, in the turn that reads it: as a stream it comes turns later, through buffers,
 * events and listeners, which cost more than all else there is to reading a body of some hundred bytes.
 *
 * @param onBody told once: the text, or undefined as soon as the body is over `bytesMax`; what follows then is dropped as it comes. Never
 * told of a body whose client goes away, or is too slow for the server's `requestTimeout`. Must not throw.
 */
export function takeBody(request: IncomingMessage, bytesMax: number, onBody: (text: string | undefined) => void): void {
  const inside = request as unknown as RequestInside;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // nobody reads the stream: without this its dregs would be waited for after the answer
  inside._consuming = true;
  inside.push = (chunk) => {
    if (chunk === null) {
      forget(inside);
      if (bytes <= bytesMax) onBody(textOf(chunks));
      return false;
    }
    const wasWithin = bytes <= bytesMax;
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else if (wasWithin) {
      chunks.length = 0;
      onBody(undefined);
    }
    return true;
  };
}

/** Drops the body of a request that is answered without it. */
export function dropBody(request: IncomingMessage): void {
  takeBody(request, 0, () => undefined);
}

/** The parser holds its latest request until the next one comes, unless that was read to its end as a stream. */
function forget(inside: RequestInside): void {
  const { parser } = inside.socket;
  if (parser?.incoming === inside) parser.incoming = null;
}

function textOf(chunks: readonly Buffer[]): string {
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first.toString() : Buffer.concat(chunks).toString();
}
