import { connect, type Socket } from 'node:net';

/*
 * HTTP as bytes on a socket: what a client library would refuse to send, or would tidy up before it does, reaches the service as it was
 * made. Every request has a connection of its own, so that the processes behind one port are met in turn.
 */

export interface WireRequest {
  readonly method: string;
  /** The address as it stands in the first line; it may hold anything but blanks and line ends. */
  readonly target: string;
  /** As they are sent, in this order; `Host`, `Connection` and `Content-Length` are added unless they are among them. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: Buffer;
  /** Where the call comes from: an address of this machine. */
  readonly from?: string;
}

export interface WireAnswer {
  readonly status: number;
  /** By lower-case name; the last of equal names. */
  readonly headers: ReadonlyMap<string, string>;
  /** Of an event stream: what came first. */
  readonly body: string;
  /** What came after the answer, and should not have. */
  readonly surplus: string;
}

const answerTimeoutMs = 30_000;
/** How long a service may take to close a connection after its last answer. */
const lingerMs = 1000;
const answerBytesMax = 16 * 1024 * 1024;

/** Sends one request. Resolves undefined when the connection was closed without a word; rejects when nothing came in time. */
export function send(port: number, request: WireRequest): Promise<WireAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const { from } = request;
    const socket = connect({ host: '127.0.0.1', port, ...(from === undefined ? {} : { localAddress: from }) });
    const chunks: Buffer[] = [];
    let size = 0;
    let lingering: NodeJS.Timeout | undefined;
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      clearTimeout(lingering);
      socket.destroy();
      settle();
    };
    const fail = (why: string) => end(() => reject(new Error(`${request.method} ${request.target}: ${why}`)));
    const timer = setTimeout(() => fail(`no whole answer within ${answerTimeoutMs} ms`), answerTimeoutMs);
    const take = (isClosed: boolean): void => {
      const answer = answerIn(Buffer.concat(chunks), request.method === 'HEAD', isClosed);
      if (answer === 'more') {
        if (isClosed) fail('the connection ended within the answer');
      } else if (isClosed || isStream(answer)) end(() => resolve(answer));
      // it was asked to close: what comes instead belongs to nobody
      else lingering ??= setTimeout(() => take(true), lingerMs);
    };
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > answerBytesMax) fail('the answer does not end');
      else take(false);
    });
    // a service that has answered may cut a connection on which it does not want to read on
    socket.on('error', () => undefined);
    socket.on('close', () => take(true));
    write(socket, request);
  });
}

function write(socket: Socket, { method, target, headers, body }: WireRequest): void {
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  const own: [string, string][] = [
    ['Host', '127.0.0.1'],
    ['Connection', 'close'],
    ...(body === undefined ? [] : [['Content-Length', String(body.length)] as [string, string]]),
  ];
  const all = [...own.filter(([name]) => !names.has(name.toLowerCase())), ...headers];
  const head = `${method} ${target} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  socket.write(Buffer.concat([Buffer.from(head, 'utf8'), body ?? Buffer.alloc(0)]));
}

/** The answer in these bytes; undefined when none came before the end; `more` while it is not whole. */
function answerIn(bytes: Buffer, isHead: boolean, isClosed: boolean): WireAnswer | undefined | 'more' {
  if (bytes.length === 0) return isClosed ? undefined : 'more';
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return 'more';
  const [first = '', ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1]);
  const rest = bytes.subarray(headEnd + 4);
  // 100 Continue: the answer follows
  if (status < 200) return answerIn(rest, isHead, isClosed);
  const headers = new Map(lines.map((line) => headerOf(line)));
  const found = isHead ? { body: '', end: 0 } : bodyIn(rest, headers, isClosed);
  return found === undefined
    ? 'more'
    : { status, headers, body: found.body, surplus: rest.toString('utf8', found.end) };
}

const isStream = (answer: Pick<WireAnswer, 'headers'> | undefined): boolean =>
  answer?.headers.get('content-type')?.startsWith('text/event-stream') ?? false;

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

type Found = { readonly body: string; readonly end: number } | undefined;

function bodyIn(bytes: Buffer, headers: ReadonlyMap<string, string>, isClosed: boolean): Found {
  const length = headers.get('content-length');
  if (length !== undefined) {
    const end = Number(length);
    return bytes.length < end ? undefined : { body: bytes.toString('utf8', 0, end), end };
  }
  if (headers.get('transfer-encoding') === 'chunked') return unchunked(bytes, isStream({ headers }));
  return isClosed ? { body: bytes.toString('utf8'), end: bytes.length } : undefined;
}

/** Undefined while the last chunk is missing; of a stream the first one will do. */
function unchunked(bytes: Buffer, firstWillDo: boolean): Found {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (bytes.length < end + 2) return undefined;
    parts.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
    if (firstWillDo) at = bytes.length;
    if (size === 0 || firstWillDo) return { body: Buffer.concat(parts).toString('utf8'), end: at };
  }
}
