import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { ReadyProbe } from './ready-probe.ts';

const spin = (ms: number): void => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
};

async function openProbe(counted?: () => number): Promise<ReadyProbe> {
  const probe = await ReadyProbe.open(counted);
  onTestFinished(() => probe.close());
  return probe;
}

/** Resolves when what is under way has come. */
async function until(probe: ReadyProbe, sinceMs: number): Promise<number> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { readWaitMs, ownSentAtMs } = probe.look();
    if (ownSentAtMs >= sinceMs) return readWaitMs;
  }
}

// Proves that it waits as long as a request that came at the same time: behind all sockets that were ready before.
it('tells how long what is ready waits until it is read', async () => {
  const probe = await openProbe();
  const readMs = 10;
  const count = 20;
  const server = createServer((socket) => socket.on('data', () => spin(readMs))).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clients = await Promise.all(
    Array.from({ length: count }, async () => {
      const client = connect(port, '127.0.0.1');
      await once(client, 'connect');
      return client;
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const client of clients) client.write('.');
  const sentAtMs = performance.now();
  probe.send();
  expect(await until(probe, sentAtMs)).toBeGreaterThanOrEqual(count * readMs * 0.9);
  for (const client of clients) client.destroy();
});

it('tells of what is under way by how long the first has been so, and sends another one beside it', async () => {
  const probe = await openProbe();
  const beganAtMs = performance.now();
  probe.send();
  const sentByMs = performance.now();
  spin(60);
  const againAtMs = performance.now();
  probe.send();
  const lookedAtMs = performance.now();
  const { readWaitMs } = probe.look();
  // the wait began when the first was sent, not the second: it was sent between these two
  expect(performance.now() - readWaitMs).toBeGreaterThanOrEqual(beganAtMs);
  expect(lookedAtMs - readWaitMs).toBeLessThanOrEqual(sentByMs);
  expect(await until(probe, againAtMs)).toBeGreaterThan(0);
});

it('tells what was counted when the last one was read', async () => {
  let count = 1;
  const probe = await openProbe(() => count);
  probe.send();
  count = 7;
  await until(probe, 0);
  count = 9;
  expect(probe.look().readBefore).toBe(7);
});

it('tells of nothing after its end', async () => {
  const probe = await openProbe();
  probe.close();
  probe.send();
  spin(20);
  expect(probe.look().readWaitMs).toBe(0);
});
