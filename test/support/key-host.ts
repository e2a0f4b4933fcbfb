import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type SessionKeys, sessionKeys, signByHost } from './hostile-sessions.ts';

/** A host application that signs sessions and gives its keys at an address: there, gone, or never answering. */
export class KeyHost {
  private isSilent = false;
  private server: Server | undefined;

  private constructor(
    private readonly keys: SessionKeys,
    private port: number,
  ) {}

  static async start(): Promise<KeyHost> {
    const host = new KeyHost(await sessionKeys(), 0);
    await host.comeBack();
    return host;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/jwks.json`;
  }

  /** A session of this user, of the one key that it gives. */
  sign(userId: string): Promise<string> {
    return signByHost(this.keys, { sub: userId });
  }

  /** Takes connections and requests, and says nothing. */
  hang(): void {
    this.isSilent = true;
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  /** At the same address. */
  async comeBack(): Promise<void> {
    await this.stop();
    this.isSilent = false;
    const server = createServer((_request, response) => {
      if (!this.isSilent) response.setHeader('content-type', 'application/json').end(JSON.stringify(this.keys.jwks));
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }
}
