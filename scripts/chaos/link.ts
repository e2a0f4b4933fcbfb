import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** `requests` flow from who connected; `replies` come back. */
export type Direction = 'requests' | 'replies';

const host = '127.0.0.1';
/** A request of HTTP/1.1 begins so: a copy of a connection may start there. */
const requestStart = /^(GET|POST|PUT) \//;

/**
 * A line between two programs that can be cut, slowed down, made to lose what is sent, and made to deliver it twice. What is lost
 * cannot be made good on a stream of bytes: such a connection stays mute in that direction until it is cut.
 */
export class Link {
  private readonly lines = new Set<Line>();
  private isRefusing = false;
  private delayMs = 0;
  private dropped: Direction | undefined;
  private mirror: Target | undefined;
  private turn = 0;

  private constructor(
    private readonly server: Server,
    /** Tried in turn, beginning with another one for each connection. */
    private readonly targets: readonly Target[],
  ) {}

  static async open(targets: readonly Target[]): Promise<Link> {
    const server = createServer((socket) => link.join(socket));
    const link = new Link(server, targets);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: 0, host, exclusive: true }, resolve);
    });
    return link;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** The same url, by way of this link. */
  urlFor(target: string): string {
    const url = new URL(target);
    url.hostname = host;
    url.port = String(this.port);
    return url.href;
  }

  /** Ends every connection now, without a word. */
  cut(): void {
    for (const line of [...this.lines]) line.destroy();
  }

  /** New connections are ended at once. */
  refuse(isRefusing: boolean): void {
    this.isRefusing = isRefusing;
  }

  /** Milliseconds that each chunk is held back, in both directions. */
  slow(delayMs: number): void {
    this.delayMs = delayMs;
  }

  /** Loses everything in this direction from now on; `undefined` ends that, and cuts the connections that lost something. */
  drop(direction: Direction | undefined): void {
    this.dropped = direction;
    if (direction !== undefined) return;
    for (const line of [...this.lines]) if (line.isMute) line.destroy();
  }

  /** Sends the requests of connections there as well, from their next request on. */
  copyTo(target: Target | undefined): void {
    this.mirror = target;
  }

  mend(): void {
    this.refuse(false);
    this.slow(0);
    this.drop(undefined);
    this.copyTo(undefined);
  }

  close(): void {
    this.refuse(true);
    this.cut();
    this.server.close();
  }

  private join(near: Socket): void {
    near.on('error', () => near.destroy());
    if (this.isRefusing) return void near.destroy();
    this.turn += 1;
    const order = this.targets.map((_, index) => this.targets[(index + this.turn) % this.targets.length]!);
    const line = new Line(near, order, {
      delayMs: () => this.delayMs,
      isDropped: (direction) => this.dropped === direction,
      mirror: () => this.mirror,
      onEnd: () => this.lines.delete(line),
    });
    this.lines.add(line);
  }
}

interface LineRules {
  readonly delayMs: () => number;
  readonly isDropped: (direction: Direction) => boolean;
  readonly mirror: () => Target | undefined;
  readonly onEnd: () => void;
}

/** One connection through a link. */
class Line {
  private readonly muted = new Set<Direction>();
  private far: Socket | undefined;
  private copy: Socket | undefined;
  private isEnded = false;

  constructor(
    private readonly near: Socket,
    targets: readonly Target[],
    private readonly rules: LineRules,
  ) {
    near.setNoDelay(true);
    near.on('close', () => this.destroy());
    near.pause();
    this.connectTo(targets);
  }

  /** Something of it was lost. */
  get isMute(): boolean {
    return this.muted.size > 0;
  }

  destroy(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    for (const socket of [this.near, this.far, this.copy]) socket?.destroy();
    this.rules.onEnd();
  }

  private connectTo([target, ...others]: readonly Target[]): void {
    if (this.isEnded) return;
    if (target === undefined) {
      this.destroy();
      return;
    }
    const far = connect({ ...target, noDelay: true });
    this.far = far;
    const next = (): void => {
      far.destroy();
      this.connectTo(others);
    };
    far.once('error', next);
    far.once('connect', () => {
      far.off('error', next);
      far.on('error', () => this.destroy());
      far.on('close', () => this.destroy());
      this.pump('requests', this.near, far);
      this.pump('replies', far, this.near);
      this.near.resume();
    });
  }

  private pump(direction: Direction, from: Socket, to: Socket): void {
    const held = new HeldBack(this.rules.delayMs);
    from.on('data', (chunk) => {
      if (this.rules.isDropped(direction)) this.muted.add(direction);
      if (this.muted.has(direction)) return;
      if (direction === 'requests') this.copyRequest(chunk);
      held.add(() => {
        if (this.isEnded || to.write(chunk)) return;
        from.pause();
        to.once('drain', () => from.resume());
      });
    });
    from.on('end', () =>
      held.add(() => {
        if (!this.isMute && !this.isEnded) to.end();
      }),
    );
  }

  private copyRequest(chunk: Buffer): void {
    const target = this.rules.mirror();
    if (target !== undefined && this.copy === undefined && requestStart.test(chunk.toString('latin1', 0, 8))) {
      const copy = connect({ ...target, noDelay: true });
      copy.on('error', () => copy.destroy());
      copy.on('close', () => {
        this.copy = undefined;
      });
      copy.resume();
      this.copy = copy;
    }
    this.copy?.write(chunk);
  }
}

/** Does things in their order, each as much later as the delay says when it comes; at once when there is none. */
class HeldBack {
  private readonly waiting: { readonly dueAt: number; readonly act: () => void }[] = [];
  private lastDueAt = 0;

  constructor(private readonly delayMs: () => number) {}

  add(act: () => void): void {
    const now = performance.now();
    this.lastDueAt = Math.max(this.lastDueAt, now + this.delayMs());
    if (this.waiting.length === 0 && this.lastDueAt <= now) {
      act();
      return;
    }
    this.waiting.push({ dueAt: this.lastDueAt, act });
    if (this.waiting.length === 1) this.wait();
  }

  private wait(): void {
    const first = this.waiting[0];
    if (first === undefined) return;
    setTimeout(
      () => {
        const now = performance.now();
        while (this.waiting[0] !== undefined && this.waiting[0].dueAt <= now) this.waiting.shift()!.act();
        this.wait();
      },
      Math.max(0, first.dueAt - performance.now()),
    );
  }
}
