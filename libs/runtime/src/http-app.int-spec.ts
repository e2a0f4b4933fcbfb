import { connect } from 'node:net';
import { Body, Controller, Get, type INestApplication, Module, Post } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { publicRoutes } from '#libs/contracts';
import { healthModule } from './health.controller.ts';
import { createHttpApp } from './http-app.ts';
import { InternalClient } from './internal-client.ts';
import { createLogger } from './logger.ts';
import { ProblemError } from './problem.ts';
import { validate } from './validate.ts';

let ready = true;

@Controller()
class TestController {
  @Post('echo')
  echo(@Body() body: unknown): unknown {
    return validate(z.strictObject({ text: z.string() }), body);
  }

  @Get('refuse')
  refuse(): never {
    throw new ProblemError('too_early', 'not yet', { possibleAt: '2026-01-01T00:00:00.000Z' });
  }

  @Get('busy')
  busy(): never {
    throw new ProblemError('overloaded', undefined, { retryAfterMs: 1500 });
  }

  @Get('defect')
  defect(): never {
    throw new Error('secret detail of a defect');
  }

  @Get('never')
  never(): Promise<never> {
    return new Promise(() => undefined);
  }
}

@Module({
  imports: [healthModule({ inject: [], checks: () => [{ name: 'redis', isReady: () => ready }] })],
  controllers: [TestController],
})
class TestModule {}

let app: INestApplication;
let base: string;

beforeAll(async () => {
  app = await createHttpApp({
    module: TestModule,
    logger: createLogger('test', 'silent'),
    bodyBytesMax: 100,
    document: { title: 'Test', version: '1', routes: publicRoutes },
  });
  await app.listen(0, '127.0.0.1');
  base = await app.getUrl();
});
afterAll(() => app.close());

const post = (body: string, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
  fetch(`${base}/echo`, { method: 'POST', body, headers });

const problem = async (response: Response) => {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return (await response.json()) as Record<string, unknown>;
};

describe('a service application', () => {
  it('takes JSON whatever its media type says', async () => {
    const response = await post('{"text":"hi"}', { 'content-type': 'application/x-www-form-urlencoded' });
    expect([response.status, await response.json()]).toEqual([201, { text: 'hi' }]);
  });

  it.each([
    ['no JSON', 'nope', 400, 'bad_request'],
    ['a wrong shape', '{"text":1}', 400, 'bad_request'],
    ['an unknown field', '{"text":"a","more":1}', 400, 'bad_request'],
    ['an empty body', '', 400, 'bad_request'],
    ['a body over the limit', JSON.stringify({ text: 'x'.repeat(200) }), 413, 'too_large'],
  ])('answers %s with its documented problem', async (_what, body, status, code) => {
    const response = await post(body);
    expect(response.status).toBe(status);
    expect(await problem(response)).toMatchObject({ status, code });
  });

  it('answers headers over the limit and what is no HTTP with a problem, and closes', async () => {
    const { port } = new URL(base);
    for (const text of [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 'no http\r\n\r\n']) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.end(text);
      const answer = (await socket.setEncoding('utf8').toArray()).join('');
      expect(answer).toMatch(/^HTTP\/1.1 400 [\s\S]*application\/problem\+json[\s\S]*"code":"bad_request"/);
    }
  });

  it.each([
    ['nothing', ''],
    ['half a head', 'POST /echo HTTP/1.1\r\nHost: x\r\n'],
    ['half a body', 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{"text"'],
  ])('closes a connection unanswered on which %s came in time', async (_what, text) => {
    // Proves that a good request which is merely late, or lies in the socket of a process that was stopped, is not called malformed.
    const http = { connectionsCheckingInterval: 20, headersTimeout: 50 };
    const hasty = await createHttpApp({
      module: TestModule,
      logger: createLogger('test', 'silent'),
      bodyBytesMax: 100,
      fastify: { http, requestTimeout: 100 },
    });
    await hasty.listen(0, '127.0.0.1');
    const socket = connect(Number(new URL(await hasty.getUrl()).port), '127.0.0.1');
    socket.write(text);
    const answer = await socket.setEncoding('utf8').toArray();
    expect(answer).toEqual([]);
    await hasty.close();
  });

  it('answers a request once whose body turns out to be none', async () => {
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    socket.write('POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n');
    const answer = (await socket.setEncoding('utf8').toArray()).join('');
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toHaveLength(1);
  });

  it('answers as ever what expects something of it', async () => {
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\nExpect: a-pony\r\nConnection: close\r\n\r\n');
    expect((await socket.setEncoding('utf8').toArray()).join('')).toMatch(/^HTTP\/1.1 200 [\s\S]*ok$/);
  });

  it('answers an unknown route, and a defect without its detail', async () => {
    expect(await problem(await fetch(`${base}/nowhere`))).toMatchObject({ status: 404, code: 'not_found' });
    const defect = await problem(await fetch(`${base}/defect`));
    expect(defect).toMatchObject({ status: 500, code: 'internal' });
    expect(JSON.stringify(defect)).not.toContain('secret detail');
  });

  it('passes extensions on and rounds Retry-After up to whole seconds', async () => {
    expect(await problem(await fetch(`${base}/refuse`))).toMatchObject({
      code: 'too_early',
      possibleAt: '2026-01-01T00:00:00.000Z',
    });
    const busy = await fetch(`${base}/busy`);
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await problem(busy)).toMatchObject({ retryAfterMs: 1500 });
  });

  it('serves health, readiness with what is missing, and its documents', async () => {
    expect((await fetch(`${base}/livez`)).status).toBe(200);
    expect((await fetch(`${base}/readyz`)).status).toBe(200);
    ready = false;
    const notReady = await fetch(`${base}/readyz`);
    expect([notReady.status, await notReady.text()]).toEqual([503, 'not ready: redis']);
    expect(await (await fetch(`${base}/openapi.json`)).json()).toMatchObject({ openapi: '3.1.0' });
    expect(await (await fetch(`${base}/docs`)).text()).toContain('/v1/packets/open');
  });
});

describe('InternalClient', () => {
  const client = (timeoutMs: number, callsMax = 10) =>
    new InternalClient({ baseUrl: base, token: 't', dependency: 'test', connectionsMax: 2, callsMax, timeoutMs });
  const codeOf = (error: unknown) => (error as ProblemError).code;

  it('gives bodies, passes problems on with their extensions, and hides a broken service', async () => {
    const http = client(5000);
    expect(await http.json({ method: 'POST', path: '/echo', body: { text: 'x' } })).toEqual({ text: 'x' });
    const refused = await http.json({ method: 'GET', path: '/refuse' }).catch((error: ProblemError) => error.problem);
    expect(refused).toMatchObject({ code: 'too_early', possibleAt: '2026-01-01T00:00:00.000Z' });
    expect(codeOf(await http.json({ method: 'GET', path: '/defect' }).catch((error: unknown) => error))).toBe(
      'dependency_unavailable',
    );
    await http.close();
  });

  it('gives up on a slow service, and refuses at once what the bulkhead cannot hold', async () => {
    const http = client(200, 1);
    const slow = http.json({ method: 'GET', path: '/never' }).catch(codeOf);
    expect(await http.json({ method: 'GET', path: '/livez' }).catch(codeOf)).toBe('overloaded');
    expect(await slow).toBe('dependency_unavailable');
    await http.close();
  });
});
