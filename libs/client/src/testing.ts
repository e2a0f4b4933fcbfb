/** Support of this library's specs: a real HTTP server that plays a script, and a clock that jumps instead of waiting. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ErrorCode, problemOf } from '#libs/contracts';
import type { ClientClock } from './clock.ts';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

/** `drop` cuts the connection after the request was read: the answer is lost. `hang` never answers. */
export type Step =
  | { readonly status: number; readonly body: unknown; readonly headers?: Record<string, string> }
  | 'drop'
  | 'hang';

export interface ScriptedServer {
  readonly url: string;
  readonly seen: SeenRequest[];
  /** Requests seen, as "POST /path". */
  calls(): string[];
  close(): Promise<void>;
}

export const answer = (body: unknown, status = 200): Step => ({ status, body });

export function problem(code: ErrorCode, extensions: Record<string, unknown> = {}): Step {
  const document = problemOf(code, undefined, extensions);
  return { status: document.status, body: document };
}

/** Answers the n-th request with `script(n, request)`; an array's last step repeats. */
export async function startScriptedServer(
  script: readonly Step[] | ((index: number, request: SeenRequest) => Step),
): Promise<ScriptedServer> {
  const seen: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const { method = '', url: path = '', headers } = request;
    seen.push({ method, path, headers, body: text === '' ? undefined : JSON.parse(text) });
    const index = seen.length - 1;
    const last = seen[index] as SeenRequest;
    play(typeof script === 'function' ? script(index, last) : script[Math.min(index, script.length - 1)], response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    calls: () => seen.map(({ method, path }) => `${method} ${path}`),
    close: () =>
      new Promise((resolve, reject) => {
        server.closeAllConnections();
        server.close((error) => (error ? reject(error) : resolve()));
      }),
  };
}

function play(step: Step | undefined, response: ServerResponse): void {
  if (step === undefined || step === 'drop') response.socket?.destroy();
  else if (step !== 'hang') {
    response.writeHead(step.status, { 'content-type': 'application/json', ...step.headers });
    response.end(typeof step.body === 'string' ? step.body : JSON.stringify(step.body));
  }
}

/** A clock whose sleeps pass at once and are written down. */
export class JumpingClock implements ClientClock {
  readonly sleeps: number[] = [];
  private timeMs: number;

  constructor(startMs = Date.parse('2026-02-16T20:00:00Z')) {
    this.timeMs = startMs;
  }

  nowMs(): number {
    return this.timeMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    this.sleeps.push(ms);
    this.timeMs += ms;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
