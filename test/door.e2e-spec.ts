import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorCatalogue, shakeAnswerSchema } from '#libs/contracts';
import { freePort } from '#libs/localservers';
import { until } from './support/http.ts';

/*
 * deploy/door.nginx.conf as nginx reads it, in front of two servers in the gateways' place. The door is not part of what `npm start` runs, and
 * nginx is no package of npm: where there is none (Debian: nginx-light) this file is skipped, and test/docker-compose.spec.ts holds what can be
 * read off the rules.
 */
const hasNginx = spawnSync('nginx', ['-v']).status === 0;

/** Of requests under way at a gateway for shakes. */
const shakesMax = 512;
const stopMaxMs = 5000;

/** A gateway's place: names itself, or keeps those who ask waiting while it is held. */
class Place {
  readonly waiting: ServerResponse[] = [];
  isHeld = false;
  private readonly server: Server;

  constructor(name: string) {
    this.server = createServer((request, response) => {
      request.resume();
      response.setHeader('x-asked', String(request.headers['x-forwarded-for']));
      if (this.isHeld) this.waiting.push(response);
      else response.end(name);
    });
  }

  async start(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  letGo(): void {
    this.isHeld = false;
    for (const response of this.waiting.splice(0)) response.end('late');
  }

  async stop(): Promise<void> {
    this.letGo();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe.skipIf(!hasNginx)('the door of docker-compose.yml', () => {
  const shakes = new Place('shake');
  const money = new Place('money');
  let dir: string;
  let base: string;
  let nginx: ChildProcess;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hongbao-door-'));
    const [port, shakePort, moneyPort] = [await freePort(), await shakes.start(), await money.start()];
    base = `http://127.0.0.1:${port}`;
    const text = (await readFile(join(import.meta.dirname, '..', 'deploy', 'door.nginx.conf'), 'utf8'))
      .replace('gateway-shake:3000', `127.0.0.1:${shakePort}`)
      .replace('gateway-money:3000', `127.0.0.1:${moneyPort}`)
      .replace('listen 3000', `listen 127.0.0.1:${port}`)
      .replace('/tmp/nginx.pid', join(dir, 'nginx.pid'))
      // started as root it would look for users of its own
      .replace('worker_rlimit_nofile 131072;', '')
      .replace('worker_connections 65536;', 'worker_connections 4096;')
      .replace(
        'http {',
        `http {\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(dir, name)};`).join('\n')}`,
      );
    await writeFile(join(dir, 'nginx.conf'), text);
    nginx = spawn('nginx', [
      '-p',
      dir,
      '-e',
      join(dir, 'error.log'),
      '-c',
      join(dir, 'nginx.conf'),
      '-g',
      'daemon off;',
    ]);
    await until(
      'the door',
      () => ask('GET', '/livez').then(({ text: name }) => name, String),
      (name) => name === 'money',
    );
  });
  afterAll(async () => {
    const ended = once(nginx, 'exit');
    nginx.kill('SIGTERM');
    const killer = setTimeout(() => nginx.kill('SIGKILL'), stopMaxMs);
    await ended;
    clearTimeout(killer);
    await Promise.all([shakes.stop(), money.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  async function ask(method: string, path: string, headers: Record<string, string> = {}) {
    const answer = await fetch(`${base}${path}`, { method, headers });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }
  const shake = () => ask('POST', '/v1/events/7/shake');

  it.each([
    ['POST', '/v1/events/7/shake', 'shake'],
    ['POST', '/v1/sessions', 'shake'],
    ['GET', '/v1/events', 'shake'],
    ['GET', '/v1/events/7', 'shake'],
    ['GET', '/play', 'shake'],
    ['POST', '/v1/packets/open', 'money'],
    ['GET', '/v1/packets/5', 'money'],
    ['POST', '/v1/shares/x/grab', 'money'],
    ['GET', '/v1/events/7/leaderboard', 'money'],
  ])('sends %s %s to the gateway for it: %s', async (method, path, name) => {
    expect((await ask(method, path)).text).toBe(name);
    // the proxy in front of all says who asks, whatever the client says of itself
    const { headers } = await ask(method, path, { 'x-forwarded-for': '203.0.113.9' });
    expect(headers.get('x-asked')).toBe('127.0.0.1');
  });

  // Proves that the 513th does not wait with those inside, that money does not notice, and that all is as before when there is room again.
  it('lets shakes rest that are more than a gateway has room for, at once', async () => {
    shakes.isHeld = true;
    const inside = Array.from({ length: shakesMax }, shake);
    await expect.poll(() => shakes.waiting.length, { timeout: 10_000 }).toBe(shakesMax);
    const beyond = await Promise.all(Array.from({ length: 40 }, shake));
    const rests = beyond.map(({ status, text }) => ({ status, answer: shakeAnswerSchema.parse(JSON.parse(text)) }));
    expect(new Set(rests.map(({ status, answer }) => `${status} ${answer.result}`))).toEqual(new Set(['200 rest']));
    // not all at the same time
    expect(new Set(rests.map(({ answer }) => 'nextShakeMs' in answer && answer.nextShakeMs)).size).toBeGreaterThan(1);
    expect(shakes.waiting).toHaveLength(shakesMax);
    expect((await ask('POST', '/v1/packets/open')).text).toBe('money');
    const [event] = await Promise.all([ask('GET', '/v1/events/7')]);
    expect([event.status, JSON.parse(event.text).code]).toEqual([503, 'dependency_unavailable']);
    shakes.letGo();
    expect(new Set((await Promise.all(inside)).map(({ text }) => text))).toEqual(new Set(['late']));
    expect((await shake()).text).toBe('shake');
  });

  it('answers as the contract does when a gateway is gone', async () => {
    await Promise.all([shakes.stop(), money.stop()]);
    expect(JSON.parse((await shake()).text).result).toBe('rest');
    const { status, headers, text } = await ask('POST', '/v1/packets/open');
    const { code, title, detail, retryAfterMs } = JSON.parse(text);
    const { meaning, ...known } = errorCatalogue.dependency_unavailable;
    expect([status, title, detail]).toEqual([known.status, known.title, meaning]);
    expect([code, headers.get('content-type')]).toEqual(['dependency_unavailable', 'application/problem+json']);
    expect(retryAfterMs).toBe(Number(headers.get('retry-after')) * 1000);
  });
});
