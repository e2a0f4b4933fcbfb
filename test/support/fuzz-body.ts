import fc from 'fast-check';
import type { JsonSchema } from './fuzz-document.ts';
import { validValues } from './fuzz-schema.ts';

/*
 * Bodies: as the document wants them, nearly so, and not at all. A valid value of the schema, or an example that is known to be good, is
 * broken in one to three places.
 */

/** What goes in for a value that was right. */
const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    0,
    -1,
    -0.5,
    2 ** 31,
    2 ** 53,
    2 ** 63,
    1e308,
    '',
    '0',
    '-1',
    'null',
    ' ',
    '\u0000',
    'a\u0000b',
  ),
  fc.constantFrom('\ud800', '9'.repeat(20), '../../../etc/passwd', '%00', "' OR 1=1 --", '{{7*7}}', 'x'.repeat(3000)),
  fc.constantFrom('0000-01-01T00:00:00+23:59', '9999-12-31T23:59:59-23:59', '2026-02-30T00:00:00Z', '1e400'),
  fc.constantFrom<unknown>([], {}, [[]], [null], { '': '' }, { constructor: 1 }, { toString: null }, nested(50)),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.jsonValue({ maxDepth: 3 }),
);
const oddKeys = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 'userId', '', '\u0000'),
  fc.string({ maxLength: 10 }),
);

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i += 1) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

type Change = {
  readonly kind: 'replace' | 'drop' | 'add' | 'double';
  readonly at: number;
  readonly key: string;
  readonly value: unknown;
};
const changes = fc.array(
  fc.record({ kind: fc.constantFrom('replace', 'drop', 'add', 'double'), at: fc.nat(), key: oddKeys, value: junk }),
  { minLength: 1, maxLength: 3 },
) as fc.Arbitrary<Change[]>;

/** Every list and object inside a value, itself among them. */
function containersIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(containersIn)];
}

function broken(good: unknown, list: readonly Change[]): unknown {
  const root = { value: structuredClone(good) };
  // each value goes in as a copy: one that is put into itself would have no end
  for (const { value, ...change } of list) {
    const containers = containersIn(root);
    const container = containers[change.at % containers.length] as Record<string, unknown>;
    breakOne(container, { ...change, value: structuredClone(value) }, root);
  }
  return root.value;
}

function breakOne(container: Record<string, unknown>, { kind, at, key, value }: Change, root: object): void {
  const keys = Object.keys(container);
  const chosen = keys[at % Math.max(keys.length, 1)];
  if (chosen === undefined || kind === 'add') {
    if (container !== root)
      Object.defineProperty(container, key, { value, enumerable: true, configurable: true, writable: true });
  } else if (kind === 'replace') container[chosen] = value;
  else if (kind === 'double') container[chosen] = [container[chosen], structuredClone(container[chosen])];
  else if (container !== root) delete container[chosen];
}

/** Cuts into a text, or puts something into it that JSON does not know, or knows otherwise than a reader thinks. */
function torn(text: string, { at, key, value }: Change): string {
  const place = at % (text.length + 1);
  const inserts = ['1e400', 'NaN', '-0', ',', '}', '[', '\u0000', '"', '\\u', '/**/', key, JSON.stringify(value) ?? ''];
  return at % 3 === 0 ? text.slice(0, place) : text.slice(0, place) + inserts[at % inserts.length] + text.slice(place);
}

const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? 'null');

/** Bodies that are as the document wants them, or are one of the examples. */
export function validBodies(schema: JsonSchema, examples: readonly unknown[]): fc.Arbitrary<unknown> {
  const valid = validValues(schema);
  return examples.length === 0 ? valid : fc.oneof(valid, fc.constantFrom(...examples));
}

/** Bodies of all sorts; `bytesMax`: over it the service says `too_large`. */
export function bodies(
  schema: JsonSchema | undefined,
  examples: readonly unknown[],
  bytesMax: number,
): fc.Arbitrary<Buffer | undefined> {
  const good = schema === undefined ? fc.constant({}) : validBodies(schema, examples);
  const bad = fc.tuple(good, changes).map(([value, list]) => broken(value, list));
  const text = fc.tuple(good, changes).map(([value, list]) => torn(JSON.stringify(value), list[0]!));
  return fc.oneof(
    { weight: 6, arbitrary: good.map(bytesOf) },
    { weight: 8, arbitrary: bad.map(bytesOf) },
    { weight: 2, arbitrary: junk.map(bytesOf) },
    { weight: 3, arbitrary: text.map((torn) => Buffer.from(torn)) },
    { weight: 1, arbitrary: fc.constantFrom(undefined, Buffer.alloc(0), Buffer.from(' '), Buffer.from('\ufeff{}')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('[', '{"a":', '"', ' ').map((unit) => Buffer.from(unit.repeat(bytesMax / 8))),
    },
    { weight: 1, arbitrary: fc.nat(3).map((more) => Buffer.alloc(bytesMax + more, 'x')) },
  );
}
