import { describe, expect, it } from 'vitest';
import { newWatch, StillConnections, type Watch, type WatchedSocket } from './still-connections.ts';

interface TestSocket extends WatchedSocket {
  bytesRead: number;
  writableLength: number;
  isDestroyed: boolean;
}

function socketOf(): TestSocket {
  const socket = {
    bytesRead: 0,
    bytesWritten: 0,
    writableLength: 0,
    isDestroyed: false,
    destroy: () => {
      socket.isDestroyed = true;
      return socket;
    },
  };
  return socket as unknown as TestSocket;
}

function watched(count: number): {
  sockets: TestSocket[];
  open: Map<TestSocket, Watch>;
  still: StillConnections<TestSocket>;
} {
  const sockets = Array.from({ length: count }, socketOf);
  const open = new Map(sockets.map((socket) => [socket, newWatch()]));
  return { sockets, open, still: new StillConnections(open) };
}

const sweep = (still: StillConnections<TestSocket>, seconds: number, each: () => void = () => undefined): void => {
  for (let i = 0; i < seconds; i++) {
    each();
    still.sweep();
  }
};

describe('connections that lie still', () => {
  it.each([1, 4, 5, 10, 23])('are closed after 65 seconds, and not before: %i of them', (count) => {
    const { sockets, still } = watched(count);
    for (const socket of sockets) socket.bytesRead = 1;
    sweep(still, 64);
    expect(sockets.some(({ isDestroyed }) => isDestroyed)).toBe(false);
    sweep(still, 11);
    expect(sockets.every(({ isDestroyed }) => isDestroyed)).toBe(true);
  });

  it('are closed after 30 seconds when their answer is not taken', () => {
    const { sockets, still } = watched(10);
    for (const socket of sockets) socket.writableLength = 1;
    sweep(still, 29);
    expect(still.closed).toBe(0);
    sweep(still, 11);
    expect(sockets.every(({ isDestroyed }) => isDestroyed)).toBe(true);
  });

  it('stay as long as they move a byte now and then', () => {
    const { sockets, still } = watched(7);
    let second = 0;
    sweep(still, 1000, () => {
      second += 1;
      if (second % 50 === 0) for (const socket of sockets) socket.bytesRead += 1;
    });
    expect(still.closed).toBe(0);
  });

  it('are all looked at while connections come and go', () => {
    const { sockets, open, still } = watched(23);
    sweep(still, 100, () => {
      const busy = socketOf();
      busy.bytesRead = 1;
      open.set(busy, newWatch());
      for (const [socket] of open) if (socket.isDestroyed) open.delete(socket);
    });
    expect(sockets.every(({ isDestroyed }) => isDestroyed)).toBe(true);
    open.clear();
    sweep(still, 3);
  });
});
