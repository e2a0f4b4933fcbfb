import type { Socket } from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { type DoorConfig, Doorkeeper, type VisitorRequest } from './doorkeeper.ts';

const config: DoorConfig = {
  TRUSTED_PROXIES: [{ address: '10.0.0.0', prefixLength: 8 }],
  CONNECTIONS_PER_ADDRESS_MAX: 3,
  NEW_SESSIONS_PER_ADDRESS_PER_SECOND: 2,
  FAILED_SESSIONS_PER_ADDRESS_PER_SECOND: 1,
  EARLY_SHAKES_PER_ADDRESS_PER_SECOND: 10,
  GUEST_SESSIONS_PER_ADDRESS_PER_SECOND: 1,
};

let nowMs: number;
let door: Doorkeeper;

const socketOf = (remoteAddress: string | undefined): Socket => ({ remoteAddress }) as Socket;

/** A request on a new connection that came in, or on the one given. */
function requestOf(
  address: string,
  headers: VisitorRequest['headers'] = {},
  socket = socketOf(address),
): VisitorRequest {
  door.enter(socket);
  return { socket, headers };
}

const withToken = (name: string, more: VisitorRequest['headers'] = {}): VisitorRequest['headers'] => ({
  authorization: `Bearer ${name}`,
  ...more,
});
const behind = (client: string): VisitorRequest['headers'] => ({ 'x-forwarded-for': client });
const times = (count: number, act: () => boolean): number => Array.from({ length: count }, act).filter(Boolean).length;

beforeEach(() => {
  nowMs = 1_000_000;
  door = new Doorkeeper(
    config,
    (authorization) => authorization === 'Bearer known',
    () => nowMs,
  );
});

describe('connections of one address', () => {
  it('are limited, and one that ends makes room', () => {
    const sockets = Array.from({ length: 4 }, () => socketOf('203.0.113.9'));
    expect(sockets.map((socket) => door.enter(socket))).toEqual([true, true, true, false]);
    expect([door.refused.connections, door.visitors.size]).toEqual([1, 3]);
    expect(door.enter(socketOf('203.0.113.8'))).toBe(true);
    // one that was refused and one that left before count for nothing
    for (const socket of [sockets[3]!, sockets[0]!, sockets[0]!]) door.leave(socket);
    expect([door.enter(socketOf('::ffff:203.0.113.9')), door.enter(socketOf('203.0.113.9'))]).toEqual([true, false]);
  });

  it('are counted by /64 in IPv6', () => {
    const entered = [1, 2, 3, 4].map((host) => door.enter(socketOf(`2001:db8::${host}`)));
    expect(entered).toEqual([true, true, true, false]);
    expect(door.enter(socketOf('2001:db8:0:1::1'))).toBe(true);
  });

  it('are not limited for a trusted proxy, and one that is gone already is not let in', () => {
    expect(times(100, () => door.enter(socketOf('10.1.1.1')))).toBe(100);
    expect(door.enter(socketOf(undefined))).toBe(false);
  });
});

describe('new sessions of one address', () => {
  it('are limited, over all its connections; known sessions and requests without one are not', () => {
    const admits = (headers: VisitorRequest['headers']): boolean =>
      door.admitsSession(requestOf('203.0.113.9', headers));
    const [first, second] = [requestOf('203.0.113.9', withToken('a')), requestOf('203.0.113.9', withToken('b'))];
    expect(times(30, () => door.admitsSession(first))).toBe(20);
    expect(door.admitsSession(second)).toBe(false);
    expect([door.admitsSession({ ...first, headers: withToken('known') }), admits({})]).toEqual([true, true]);
    expect(door.admitsSession(requestOf('203.0.113.8', withToken('c')))).toBe(true);
    expect(door.refused.verifications).toBe(11);
    nowMs += 500;
    expect(times(5, () => door.admitsSession(second))).toBe(1);
  });

  it('are not verified while too many failed', () => {
    const request = requestOf('203.0.113.9', withToken('forged'));
    for (let i = 0; i < 10; i++) {
      nowMs += 1;
      expect(door.admitsSession(request)).toBe(true);
      door.countFailedSession(request);
    }
    expect(door.admitsSession(request)).toBe(false);
    expect(door.admitsSession({ ...request, headers: withToken('known') })).toBe(true);
    nowMs += 1000;
    expect(door.admitsSession(request)).toBe(true);
  });

  it("are counted by the client's address behind a trusted proxy, whatever else the header says, and by the peer's elsewhere", () => {
    const via = (header: string): VisitorRequest => requestOf('10.0.0.1', withToken('a', behind(header)));
    expect(times(30, () => door.admitsSession(via('1.2.3.4, 203.0.113.9')))).toBe(20);
    expect(door.admitsSession(via('203.0.113.9, 10.0.0.2'))).toBe(false);
    expect(door.admitsSession(via('203.0.113.8'))).toBe(true);
    const liar = socketOf('198.51.100.1');
    let n = 0;
    expect(times(30, () => door.admitsSession(requestOf('', withToken('a', behind(`1.1.1.${n++}`)), liar)))).toBe(20);
  });

  it('on a connection that is gone are nobody to count', () => {
    const gone = { socket: socketOf('203.0.113.9'), headers: withToken('a') };
    expect(times(50, () => door.admitsSession(gone))).toBe(50);
    expect([door.admitsGuest(gone), door.countEarly(gone)]).toEqual([true, false]);
  });
});

describe('guests of one address', () => {
  it('are limited', () => {
    const request = requestOf('203.0.113.9');
    expect(times(30, () => door.admitsGuest(request))).toBe(10);
    expect([door.refused.guests, door.admitsGuest(requestOf('203.0.113.8'))]).toEqual([20, true]);
  });
});

describe('early shakes', () => {
  it('close a connection that keeps bringing them, not one that brings some', () => {
    const request = requestOf('203.0.113.9');
    expect(times(40, () => door.countEarly(request))).toBe(0);
    expect(door.countEarly(request)).toBe(true);
    nowMs += 60_000;
    for (let second = 0; second < 100; second++) {
      nowMs += 1000;
      expect(door.countEarly(request)).toBe(false);
    }
  });

  it('close each connection that brings one while its address brings too many', () => {
    const [first, second] = [requestOf('203.0.113.9'), requestOf('203.0.113.9')];
    for (let i = 0; i < 100; i++) door.countEarly(first);
    expect(door.countEarly(second)).toBe(true);
    nowMs += 1000;
    expect(door.countEarly(second)).toBe(false);
    expect(door.countEarly(requestOf('203.0.113.8'))).toBe(false);
  });

  it("never close a trusted proxy's connection, which carries others too", () => {
    const request = requestOf('10.0.0.1', behind('203.0.113.9'));
    expect(times(500, () => door.countEarly(request))).toBe(0);
    expect([door.isClientsOwn(request), door.isClientsOwn(requestOf('203.0.113.9'))]).toEqual([false, true]);
  });
});

it('remembers a bounded number of addresses', () => {
  for (let i = 0; i < 200_000; i++) {
    const socket = socketOf(`2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`);
    door.enter(socket);
    door.leave(socket);
  }
  expect([door.addressCount, door.visitors.size]).toEqual([131_072, 0]);
});
