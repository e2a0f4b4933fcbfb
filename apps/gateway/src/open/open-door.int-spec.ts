import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenOutcome } from '#libs/contracts';
import { packetIdOf } from '#libs/domain';
import { GatewayRig, until } from '../testing/gateway-rig.ts';
import { RawClient } from '../testing/raw-client.ts';
import { poolIdOf, signed, testEvent } from '../testing/test-event.ts';

/*
 * What an open looks like on the wire. It is answered in front of the router, and must not look different from what the router answers.
 */

let rig: GatewayRig;
let alice: string;
let settling: Promise<void> | undefined;
let index = 0;
const ticketBody = (): string =>
  JSON.stringify({
    ticket: signed('ticket', { packetId: packetIdOf({ poolId: poolIdOf(1, 0), blockNo: 1, index: index++ }) }),
  });

interface Sent {
  readonly path?: string;
  readonly headers?: readonly string[];
  /** With its length announced. */
  readonly body?: string | undefined;
}

/** An open as it is sent; without a body, whatever follows is up to the headers. */
function openRequest({ path = '/v1/packets/open', headers = [], body }: Sent): string {
  const length = body === undefined ? [] : [`content-length: ${Buffer.byteLength(body)}`];
  const lines = [`POST ${path} HTTP/1.1`, 'host: a', `authorization: Bearer ${alice}`, ...length, ...headers];
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const chunked = ['transfer-encoding: chunked'];

interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: asserted field by field
  readonly body: any;
}

/** The answers in what came, as far as they are whole. */
function answersIn(received: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = received; ; ) {
    const headEnd = rest.indexOf('\r\n\r\n');
    const [first, ...lines] = rest.slice(0, Math.max(headEnd, 0)).split('\r\n');
    const headers = new Map(
      lines.map((line) => [line.split(': ')[0]!.toLowerCase(), line.slice(line.indexOf(': ') + 2)]),
    );
    const end = headEnd + 4 + Number(headers.get('content-length') ?? 0);
    if (headEnd < 0 || rest.length < end) return answers;
    const body = rest.slice(headEnd + 4, end);
    answers.push({
      status: Number(first!.split(' ')[1]),
      headers,
      body: body === '' ? undefined : JSON.parse(Buffer.from(body, 'latin1').toString()),
    });
    rest = rest.slice(end);
  }
}

/** Sends the parts one after the other, each once the one before was read. */
async function ask(parts: readonly string[], count = 1): Promise<{ answers: RawAnswer[]; client: RawClient }> {
  const client = await RawClient.to(rig);
  for (const part of parts) {
    client.socket.write(part);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const answers = await until(
    'the answers',
    () => answersIn(client.received),
    (came) => came.length >= count,
  );
  return { answers, client };
}

beforeAll(async () => {
  rig = await GatewayRig.start({ OPEN_REPLY_WAIT_MS: '5000', OPEN_ACCEPT_MAX_MS: '5000' });
  await rig.publish(testEvent());
  const credited: OpenOutcome = { outcome: 'credited', amountFen: 88 };
  rig.consume([0, 1], async (items) => {
    await settling;
    return items.map(() => credited);
  });
  alice = await rig.session('alice');
});
afterAll(() => rig.stop());

describe('an open on the wire', () => {
  it('is answered in one segment, on a connection that stays', async () => {
    const { answers, client } = await ask([openRequest({ body: ticketBody() })]);
    const [answer] = answers;
    expect(client.segments).toBe(1);
    expect([answer!.status, answer!.body.status]).toEqual([200, 'credited']);
    expect(Object.fromEntries(answer!.headers)).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      connection: 'keep-alive',
    });
    expect([...answer!.headers.keys()].sort()).toEqual([
      'cache-control',
      'connection',
      'content-length',
      'content-type',
      'date',
    ]);
    client.socket.write(openRequest({ body: ticketBody() }));
    await until(
      'the second answer',
      () => answersIn(client.received),
      (came) => came.length === 2,
    );
    client.socket.destroy();
  });

  it('may come in pieces, in chunks with trailers, from a page of any origin, and with expectations', async () => {
    const body = ticketBody();
    const whole = openRequest({ body });
    const pieces = [whole.slice(0, 40), whole.slice(40, whole.length - 9), whole.slice(whole.length - 9)];
    const inChunks = [
      openRequest({ headers: [...chunked, 'origin: https://host.example'] }),
      chunk(body.slice(0, 9)),
      `${chunk(body.slice(9))}0\r\nx-more: 1\r\n\r\n${openRequest({ body })}`,
    ];
    const asked = [
      await ask(pieces),
      await ask(inChunks, 2),
      await ask([openRequest({ body, headers: ['expect: a-pony'] })]),
    ];
    for (const { answers, client } of asked) {
      for (const answer of answers) expect(answer.body).toMatchObject({ status: 'credited', amountFen: 88 });
      client.socket.destroy();
    }
    const [toPage] = asked[1]!.answers;
    expect(toPage!.headers.get('access-control-allow-origin')).toBe('*');
    expect(toPage!.headers.get('access-control-expose-headers')).toBe('retry-after');
  });

  it.each([
    ['is no JSON', { body: 'nope' }, 400, 'the body is not JSON', 'close'],
    ['is too long', { body: 'x'.repeat(4097) }, 413, undefined, 'close'],
    ['is announced as too long', { headers: ['content-length: 4097'] }, 413, undefined, 'close'],
    ['is empty', { body: '' }, 400, 'Invalid input: expected object, received undefined', 'keep-alive'],
    ['is absent', {}, 400, 'Invalid input: expected object, received undefined', 'keep-alive'],
    [
      'is of no media type',
      { body: '{}', headers: ['content-type: json'] },
      400,
      'Unsupported Media Type',
      'keep-alive',
    ],
    [
      'is of any media type',
      { body: '[]', headers: ['content-type: a/b; c'] },
      400,
      'Invalid input: expected object, received array',
      'keep-alive',
    ],
  ] as const)('whose body %s', async (_what, sent, status, detail, connection) => {
    const { answers, client } = await ask([openRequest(sent)]);
    const [{ status: told, body, headers }] = answers as [RawAnswer];
    expect([told, headers.get('connection')]).toEqual([status, connection]);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    if (detail !== undefined) expect(body.detail).toBe(detail);
    if (connection === 'close') await client.closed();
    else client.socket.destroy();
  });

  it('whose chunks grow too many is refused before they end', async () => {
    const { answers, client } = await ask([
      openRequest({ headers: chunked }),
      chunk('x'.repeat(3000)),
      chunk('x'.repeat(3000)),
    ]);
    expect([answers[0]!.status, answers[0]!.headers.get('connection')]).toEqual([413, 'close']);
    await client.closed();
  });

  it.each([
    ['/v1/packets/open?a=b', 'credited'],
    ['/v1/packets/op%65n', 'credited'],
    ['http://host.example/v1/packets/open', 'credited'],
    ['/v1/packets/open/', 'not_found'],
    ['/v1/packets%2Fopen', 'not_found'],
    ['/v1/packets/open%', 'bad_request'],
    ['http://host.example/v1/packets/open#here', 'bad_request'],
  ])('to %s is %s', async (path, told) => {
    const { answers, client } = await ask([openRequest({ path, body: ticketBody() })]);
    expect(answers[0]!.body.code ?? answers[0]!.body.status).toBe(told);
    client.socket.destroy();
  });
});

describe('an open whose client goes away', () => {
  const underWay = () => [rig.parts.openCounters.inFlight, rig.parts.gate.othersUnderWay];

  it('before its body is whole, or before it is answered, leaves nothing behind', async () => {
    const half = await RawClient.to(rig);
    half.socket.write(openRequest({ headers: ['content-length: 100'] }));
    half.socket.write('{"ticket"');
    const asked = await RawClient.to(rig);
    const accepted = rig.parts.openCounters.results.credited;
    let settle = (): void => undefined;
    settling = new Promise((resolve) => (settle = resolve));
    asked.socket.write(openRequest({ body: ticketBody() }));
    await until(
      'the open',
      () => rig.parts.openCounters.inFlight,
      (count) => count > 0,
    );
    asked.socket.destroy();
    half.socket.destroy();
    settle();
    await until(
      'its end',
      () => rig.parts.openCounters.results.credited,
      (count) => count > accepted,
    );
    expect(underWay()).toEqual([0, 0]);
    const { answers, client } = await ask([openRequest({ body: ticketBody() })]);
    expect(answers[0]!.status).toBe(200);
    client.socket.destroy();
  });

  it('with requests waiting for their turn behind it, is waited for by no drain, and takes no places', async () => {
    rig.allocation.answer(() => undefined);
    const client = await RawClient.to(rig);
    const wallet = `GET /v1/me/wallet HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${alice}\r\n\r\n`;
    client.socket.write(`${wallet}${wallet}${openRequest({ body: ticketBody() })}`);
    await until(
      'the requests',
      () => rig.parts.gate.othersUnderWay,
      (count) => count === 2,
    );
    client.socket.destroy();
    await until(
      'their end',
      () => rig.parts.gate.othersUnderWay,
      (count) => count === 0,
    );
    // and the gateway of this file stops: its drain waits for every answer that is owed
  });
});
