import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Link } from './link.ts';

/** Answers each chunk with the same chunk and remembers what it got. */
class Echo {
  readonly got: string[] = [];
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Echo> {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk) => {
        echo.got.push(chunk.toString());
        socket.write(chunk);
      });
    });
    const echo = new Echo(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return echo;
  }

  get target() {
    return { host: '127.0.0.1', port: (this.server.address() as { port: number }).port };
  }

  stop(): void {
    this.server.close();
  }
}

const sockets: Socket[] = [];
let echo: Echo;
let link: Link;

beforeEach(async () => {
  echo = await Echo.start();
  link = await Link.open([echo.target]);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  link.close();
  echo.stop();
});

async function dial(): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: link.port });
  socket.on('error', () => socket.destroy());
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

/** Proves each fault of a link on real sockets. */
describe('a link', () => {
  it('hands everything on, and gives an url by way of itself', async () => {
    expect(await ask(await dial(), 'hello')).toBe('hello');
    expect(link.urlFor('redis://:secret@127.0.0.1:6379/0')).toBe(`redis://:secret@127.0.0.1:${link.port}/0`);
  });

  it('cuts connections, and refuses new ones until it is mended', async () => {
    const socket = await dial();
    await ask(socket, 'hello');
    link.refuse(true);
    link.cut();
    await once(socket, 'close');
    await once(await dial(), 'close');
    link.mend();
    expect(await ask(await dial(), 'again')).toBe('again');
  });

  it('loses replies to requests that were carried out, and cuts that connection when it ends', async () => {
    const socket = await dial();
    await ask(socket, 'one');
    link.drop('replies');
    socket.write('two');
    await expect.poll(() => echo.got).toEqual(['one', 'two']);
    link.drop(undefined);
    await once(socket, 'close');
    expect(socket.bytesRead).toBe('one'.length);
  });

  it('loses requests', async () => {
    const socket = await dial();
    await ask(socket, 'one');
    link.drop('requests');
    await new Promise((resolve) => socket.write('two', resolve));
    await expect.poll(() => socket.bytesWritten).toBe(6);
    // The next connection shows that what was sent before it has been dealt with.
    const other = await dial();
    link.drop(undefined);
    await once(socket, 'close');
    other.destroy();
    expect(echo.got).toEqual(['one']);
  });

  it('holds back, in order', async () => {
    const socket = await dial();
    await ask(socket, 'one');
    link.slow(40);
    const startedAt = performance.now();
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    for (const word of ['a', 'b', 'c', 'd']) {
      socket.write(word);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    link.slow(0);
    socket.write('e');
    await expect.poll(() => text).toBe('abcde');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(40);
  });

  it('sends requests a second time elsewhere, from a whole request on', async () => {
    const elsewhere = await Echo.start();
    const socket = await dial();
    await ask(socket, 'GET /1 ');
    link.copyTo(elsewhere.target);
    await ask(socket, 'the rest of it ');
    await ask(socket, 'POST /2 ');
    await expect.poll(() => elsewhere.got.join('')).toBe('POST /2 ');
    link.copyTo(undefined);
    elsewhere.stop();
    expect(echo.got.join('')).toBe('GET /1 the rest of it POST /2 ');
  });

  it('tries its targets in turn', async () => {
    const gone = await Echo.start();
    const { target } = gone;
    gone.stop();
    const both = await Link.open([target, echo.target]);
    link.close();
    link = both;
    expect(await ask(await dial(), 'one')).toBe('one');
    expect(await ask(await dial(), 'two')).toBe('two');
  });
});
