import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type GatewayRig, until } from './gateway-rig.ts';

export const shakePath = '/v1/events/1/shake';

/** A connection of one's own: requests go out as they are written, answers come as they came. */
export class RawClient {
  received = '';
  isClosed = false;
  segments = 0;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1');
    socket.on('data', (data: string) => {
      this.received += data;
      this.segments += 1;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  static async to(rig: GatewayRig): Promise<RawClient> {
    const socket = connect(Number(new URL(rig.url).port), '127.0.0.1');
    const client = new RawClient(socket);
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    return client;
  }

  shake(token: string, headers: readonly string[] = []): void {
    const lines = [`POST ${shakePath} HTTP/1.1`, 'host: a', `authorization: Bearer ${token}`, ...headers];
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  }

  /** The bodies that came so far. */
  get bodies(): { result?: string; code?: string }[] {
    return [...this.received.matchAll(/\r\n\r\n(\{[^\r]*?\})(?=HTTP|$)/g)].map((match) => JSON.parse(match[1]!));
  }

  async answers(count: number): Promise<{ result?: string; code?: string }[]> {
    return await until(
      'the answers',
      () => this.bodies,
      (bodies) => bodies.length >= count,
    );
  }

  async closed(): Promise<void> {
    await until('the end of the connection', () => this.isClosed, Boolean);
  }
}
