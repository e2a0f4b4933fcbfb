import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export type Script = (request: SeenRequest, response: ServerResponse) => void;

/** Another service as a gateway meets it: answers by a script that a test may change, and tells what it was asked. */
export class ScriptedService {
  readonly seen: SeenRequest[] = [];
  /** The most connections that were open at once. */
  openMost = 0;
  private openNow = 0;
  private script: Script;
  private server: Server | undefined;
  private port = 0;

  constructor(script: Script) {
    this.script = script;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  answer(script: Script): void {
    this.script = script;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const seen = { method: request.method!, path: request.url!, headers: request.headers };
      this.seen.push(seen);
      this.script(seen, response);
    });
    server.on('connection', (socket) => {
      this.openNow += 1;
      this.openMost = Math.max(this.openMost, this.openNow);
      socket.on('close', () => {
        this.openNow -= 1;
      });
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  /** Goes away; `start` brings it back at the same address. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
