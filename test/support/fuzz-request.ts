import fc from 'fast-check';
import { bodies, validBodies } from './fuzz-body.ts';
import type { Operation } from './fuzz-document.ts';
import type { WireRequest } from './fuzz-wire.ts';

/** What the fuzz knows of the system that it calls. */
export interface FuzzWorld {
  readonly bodyBytesMax: number;
  /** Tokens that are good for something, by role. */
  readonly tokens: Readonly<Record<'session' | 'viewer' | 'operator', readonly string[]>>;
  /** Values that exist, by the name of a parameter; they lead further than a guess. */
  readonly known: Readonly<Record<string, readonly string[]>>;
  /** Bodies that are known to be good, by operation. */
  readonly examples: Readonly<Record<string, readonly unknown[]>>;
  /** Event ids that no operator may act on. */
  readonly untouchable: readonly string[];
}

export interface FuzzRequest extends WireRequest {
  /** The request is addressed to its operation beyond doubt: method, path and framing are right. */
  readonly isStraight: boolean;
  readonly as: 'nobody' | 'garbled' | 'session' | 'viewer' | 'operator';
}

/** The gateway reads no longer ones. */
const targetCharsMax = 1024;
const weirdIds = [
  '..',
  '../..',
  '.',
  '%2e%2e%2f',
  '%2e%2e',
  '%00',
  'a%00b',
  '%',
  '%zz',
  '%ff%fe',
  '%F0%9F%A7%A7',
  '9'.repeat(20),
];
const moreWeirdIds = [
  '-1',
  '0',
  '01',
  '1e3',
  '1.5',
  '0x10',
  '%20',
  '%0d%0a',
  'null',
  'NaN',
  '__proto__',
  'constructor',
  'ä',
  '福',
];
const weirdPaths = [
  'a?b',
  '?',
  '#',
  'a/b',
  '//',
  '',
  ';a=b',
  '%2f',
  '%5c..%5c',
  'x'.repeat(257),
  'x'.repeat(2000),
  '%e4'.repeat(90),
];
const methods = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'QUERY',
  'FOO',
  'get',
];

const contentTypes = fc.constantFrom<string | undefined>(
  undefined,
  'application/json',
  'application/json; charset=utf-16',
  'application/problem+json',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  ';;;',
  '',
  'application/json, text/html',
);

/** Headers that services look at, and some that make servers stumble. */
const weirdHeaders: fc.Arbitrary<[string, string]> = fc.oneof(
  fc.constantFrom<[string, string]>(
    ['Origin', 'null'],
    ['Origin', 'https://evil.example'],
    ['Access-Control-Request-Method', 'DELETE'],
    ['Host', 'evil"><script>'],
    ['Host', ''],
    ['X-Forwarded-For', '::1, 999.1.1.1, ,'],
    ['X-Forwarded-Proto', 'javascript'],
    ['Accept', 'application/xml'],
    ['Accept-Version', '9.x'],
    ['Expect', '100-continue'],
    ['Expect', 'a-pony'],
    ['Upgrade', 'websocket'],
    ['Content-Encoding', 'gzip'],
    ['Range', 'bytes=5-1'],
    ['If-None-Match', '*'],
    ['X-HTTP-Method-Override', 'DELETE'],
    ['X-User-Id', 'mallory'],
    ['Cookie', `a=${'x'.repeat(3000)}`],
  ),
  fc.tuple(
    fc.constantFrom('X-Shake-State', 'Origin', 'Accept', 'X-Other'),
    fc.string({ maxLength: 60 }).map(headerSafe),
  ),
  fc.tuple(fc.constant('X-Shake-State'), fc.constantFrom(',,,,', 'A'.repeat(6000), '%00', '…')),
);

/** Framing that is no HTTP, or that two readers would read in two ways. */
const badFraming = fc.constantFrom<[string, string]>(
  ['Content-Length', '-1'],
  ['Content-Length', '1, 2'],
  ['Transfer-Encoding', 'chunked, identity'],
  ['Transfer-Encoding', 'gzip'],
  ['Bad Name', 'x'],
  ['X-Control', 'a\u0001b'],
  ['X-Long', 'x'.repeat(20_000)],
);

/** Line ends would end the header, and so would the request. */
function headerSafe(text: string): string {
  return text.replaceAll(/[^ -~\u0080-\uffff]/g, '.');
}

/** Requests for an operation: as its document wants them, and of every other sort. */
export function requestsFor(operation: Operation, world: FuzzWorld): fc.Arbitrary<FuzzRequest> {
  return fc
    .oneof(
      { weight: 2, arbitrary: tameRequests(operation, world) },
      { weight: 3, arbitrary: wildRequests(operation, world) },
    )
    .filter((request) => !isForbidden(request, world));
}

/** What the document allows, from somebody who may, about things that exist. */
function tameRequests(operation: Operation, world: FuzzWorld): fc.Arbitrary<FuzzRequest> {
  const examples = world.examples[operation.name] ?? [];
  const parts = fc.record({
    caller: rightCallersFor(operation, world),
    path: fc.tuple(...pathNames(operation).map((name) => fc.constantFrom(...(world.known[name] ?? ['1'])))),
    body: operation.body === undefined ? fc.constant(undefined) : validBodies(operation.body, examples),
  });
  return parts.map(({ caller, path, body }): FuzzRequest => {
    const content = body === undefined ? [] : ([['Content-Type', 'application/json']] as const);
    return {
      method: operation.method,
      target: targetOf(operation, path),
      headers: [...caller.headers, ...content],
      as: caller.as,
      ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
      isStraight: true,
    };
  });
}

function wildRequests(operation: Operation, world: FuzzWorld): fc.Arbitrary<FuzzRequest> {
  const examples = world.examples[operation.name] ?? [];
  const parts = fc.record({
    caller: callersFor(operation, world),
    path: fc.tuple(...pathNames(operation).map((name) => idsOf(name, world))),
    query: queriesOf(operation, world),
    headers: fc.array(weirdHeaders, { maxLength: 2 }),
    contentType: contentTypes,
    body: operation.method === 'GET' ? noBody : bodies(operation.body, examples, world.bodyBytesMax),
    method: fc.option(fc.constantFrom(...methods), { freq: 8, nil: undefined }),
    framing: fc.option(badFraming, { freq: 20, nil: undefined }),
  });
  return parts.map(({ caller, path, query, headers, contentType, body, method, framing }): FuzzRequest => {
    const type = contentType === undefined ? [] : [['Content-Type', contentType] as const];
    const isMisled = headers.some(([name]) => name === 'Host') || contentType === '' || contentType === ';;;';
    const target = targetOf(operation, path) + query;
    const isLong = target.length > targetCharsMax;
    const isAddressed = [undefined, operation.method].includes(method) && path.every(isPlainId) && !isLong;
    return {
      method: method ?? operation.method,
      target,
      headers: [...caller.headers, ...type, ...headers, ...(framing === undefined ? [] : [framing])],
      as: caller.as,
      ...(caller.from === undefined ? {} : { from: caller.from }),
      ...(body === undefined ? {} : { body }),
      isStraight: isAddressed && framing === undefined && !isMisled,
    };
  });
}

const pathNames = ({ parameters }: Operation): string[] =>
  parameters.filter((one) => one.in === 'path').map(({ name }) => name);

function targetOf({ path }: Operation, values: readonly string[]): string {
  const left = [...values];
  return path.replaceAll(/\{\w+\}/g, () => left.shift()!);
}

const noBody = fc.option(fc.constantFrom(Buffer.from('{}'), Buffer.from('nope'), Buffer.alloc(5000, 'x')), {
  freq: 6,
  nil: undefined,
});

/** True for an id that stays one segment of its path, whatever it means. */
const isPlainId = (id: string): boolean => /^[A-Za-z0-9_-]{1,200}$/.test(id);

/** The one thing that the fuzz must not do with its good tokens: act on what it compares in the end. */
function isForbidden({ as, method, target }: FuzzRequest, { untouchable }: FuzzWorld): boolean {
  return (
    as === 'operator' && method !== 'GET' && untouchable.some((id) => decodedOf(target).includes(`/events/${id}/`))
  );
}

function decodedOf(target: string): string {
  return target.replaceAll(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
}

function idsOf(name: string, { known }: FuzzWorld): fc.Arbitrary<string> {
  const there = Object.hasOwn(known, name) ? known[name]! : [];
  return fc.oneof(
    { weight: there.length > 0 ? 8 : 0, arbitrary: fc.constantFrom(...there, '1') },
    { weight: 3, arbitrary: fc.constantFrom(...weirdIds, ...moreWeirdIds) },
    { weight: 1, arbitrary: fc.constantFrom(...weirdPaths) },
    { weight: 2, arbitrary: fc.bigInt({ min: 1n, max: 2n ** 66n }).map(String) },
    { weight: 2, arbitrary: fc.string({ minLength: 1, maxLength: 30, unit: 'binary' }).map(encoded) },
    { weight: there.length > 0 ? 2 : 0, arbitrary: fc.tuple(fc.constantFrom(...there, '1'), fc.nat()).map(bent) },
  );
}

const encoded = (text: string): string => encodeURIComponent(Buffer.from(text).toString());

/** A good value with one character changed, cut off or put in. */
function bent([text, at]: [string, number]): string {
  const place = at % text.length;
  const next = text[place] === 'A' ? 'B' : 'A';
  return [text.slice(0, place) + next + text.slice(place + 1), text.slice(0, place), `${text}A`, `${text}=`][at % 4]!;
}

function queriesOf({ parameters }: Operation, world: FuzzWorld): fc.Arbitrary<string> {
  const names = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
  const values = (name: string) =>
    fc.oneof(
      fc.constantFrom(
        '',
        '1',
        '50',
        '0',
        '-1',
        '1e9',
        'abc',
        '%00',
        '%',
        '%ff',
        '9'.repeat(20),
        'x'.repeat(300),
        '[]',
        '1.5',
      ),
      idsOf(name, world).map((id) => id.replaceAll(/[?#&]/g, '')),
    );
  const pairs = [...names, 'extra', 'limit[]', '__proto__'].map((name) =>
    values(name).map((value) => `${name}=${value}`),
  );
  const query = fc.array(fc.oneof(...pairs), { maxLength: names.length === 0 ? 1 : 3 });
  return query.map((list) => (list.length === 0 ? '' : `?${list.join('&')}`));
}

interface Caller {
  readonly as: FuzzRequest['as'];
  readonly headers: readonly (readonly [string, string])[];
  readonly from?: string;
}

/** Mostly somebody who may; else nobody, somebody who may less, or a token that is none. */
function callersFor(operation: Operation, world: FuzzWorld): fc.Arbitrary<Caller> {
  const { tokens } = world;
  const roles = (['session', 'viewer', 'operator'] as const).filter((as) => tokens[as].length > 0);
  return fc.oneof(
    { weight: 12, arbitrary: rightCallersFor(operation, world) },
    { weight: 2, arbitrary: fc.oneof(...roles.map((as) => bearers(as, world))) },
    { weight: 1, arbitrary: nobody },
    { weight: 3, arbitrary: garbledCallers(Object.values(tokens).flat()) },
  );
}

const nobody = fc.constant<Caller>({ as: 'nobody', headers: [] });

function rightCallersFor({ role }: Operation, world: FuzzWorld): fc.Arbitrary<Caller> {
  return role === 'none' ? nobody : bearers(role, world);
}

function bearers(as: 'session' | 'viewer' | 'operator', { tokens }: FuzzWorld): fc.Arbitrary<Caller> {
  return fc.constantFrom(...tokens[as]).map((token) => ({ as, headers: [['Authorization', `Bearer ${token}`]] }));
}

/** Each from an address of its own: whoever keeps guessing at ops has to wait, and so would everybody who shares his address. */
function garbledCallers(tokens: readonly string[]): fc.Arbitrary<Caller> {
  const texts = fc.oneof(
    fc.tuple(fc.constantFrom(...tokens), fc.nat()).map((pair) => `Bearer ${bent(pair)}`),
    fc.constantFrom(
      'Bearer',
      'Bearer ',
      'bearer x',
      'Basic YTpi',
      'Bearer null',
      'Bearer a.b.c',
      `Bearer ${'x'.repeat(5000)}`,
    ),
    fc.string({ maxLength: 60 }).map((text) => `Bearer ${headerSafe(text)}`),
  );
  return fc.tuple(texts, fc.integer({ min: 2, max: 250 }), fc.integer({ min: 1, max: 250 })).map(([text, a, b]) => {
    const headers = [['Authorization', text] as const];
    // only Linux answers to all of 127.0.0.0/8
    return process.platform === 'linux'
      ? { as: 'garbled', headers, from: `127.0.${a}.${b}` }
      : { as: 'garbled', headers };
  });
}
