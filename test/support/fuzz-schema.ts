import fc from 'fast-check';
import type { JsonSchema } from './fuzz-document.ts';

/*
 * From a JSON Schema to arbitraries. A walker of our own: the two libraries that make fast-check arbitraries from schemas read Zod 3 or
 * are early releases, and our documents use twenty keywords. One that it does not know is refused, so that none is silently ignored.
 */

/** Keywords that add nothing to what is a valid value. */
const silent = new Set(['description', 'default', 'format', 'propertyNames']);
const itemsMoreMax = 3;
const charsMoreMax = 40;

type Rule = (schema: JsonSchema) => fc.Arbitrary<unknown>;

/** Each kind of schema, known by its first keyword, and the keywords that it is made of. */
const rules: readonly { readonly by: string; readonly keywords: readonly string[]; readonly make: Rule }[] = [
  { by: 'const', keywords: ['const', 'type'], make: (schema) => fc.constant(schema['const']) },
  { by: 'enum', keywords: ['enum', 'type'], make: (schema) => fc.constantFrom(...(schema['enum'] as unknown[])) },
  { by: 'anyOf', keywords: ['anyOf'], make: (schema) => oneOf(schema['anyOf']) },
  { by: 'oneOf', keywords: ['oneOf', 'discriminator'], make: (schema) => oneOf(schema['oneOf']) },
];
const types: Readonly<Record<string, { readonly keywords: readonly string[]; readonly make: Rule }>> = {
  string: { keywords: ['minLength', 'maxLength', 'pattern'], make: stringOf },
  integer: { keywords: ['minimum', 'maximum'], make: integerOf },
  number: { keywords: ['minimum', 'maximum'], make: numberOf },
  boolean: { keywords: [], make: () => fc.boolean() },
  array: { keywords: ['items', 'prefixItems', 'minItems', 'maxItems'], make: arrayOf },
  object: { keywords: ['properties', 'required', 'additionalProperties'], make: objectOf },
};

/** Values that the schema allows. @throws for a keyword that it does not know. */
export function validValues(schema: JsonSchema): fc.Arbitrary<unknown> {
  const rule = rules.find(({ by }) => by in schema) ?? typeRule(schema);
  if (rule === undefined) return fc.jsonValue({ maxDepth: 2 });
  const unknown = Object.keys(schema).filter((key) => !silent.has(key) && !rule.keywords.includes(key));
  if (unknown.length > 0)
    throw new Error(`the walker does not know ${unknown.join(', ')} in ${JSON.stringify(schema)}`);
  return rule.make(schema);
}

function typeRule(schema: JsonSchema) {
  const rule = types[String(schema['type'])];
  return rule && { keywords: ['type', ...rule.keywords], make: rule.make };
}

const oneOf: (schemas: unknown) => fc.Arbitrary<unknown> = (schemas) =>
  fc.oneof(...(schemas as JsonSchema[]).map(validValues));

function stringOf(schema: JsonSchema): fc.Arbitrary<string> {
  const { pattern, minLength = 0, maxLength } = schema as { pattern?: string; minLength?: number; maxLength?: number };
  // `\d` of a regular expression is any digit, and so is `.`: a pattern is the whole truth about such a text
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  const most = Math.min(maxLength ?? Number.POSITIVE_INFINITY, minLength + charsMoreMax);
  const texts = fc.string({
    minLength,
    maxLength: most,
    unit: fc.oneof(fc.constantFrom(...oddChars), fc.string(oneChar)),
  });
  // a schema counts code points or code units, as its reader likes: the longest is a plain one
  return maxLength === undefined || maxLength > 5000
    ? texts
    : fc.oneof({ weight: 8, arbitrary: texts }, { weight: 1, arbitrary: fc.constant('x'.repeat(maxLength)) });
}

const oneChar = { minLength: 1, maxLength: 1 };
/** One code unit each: NUL, controls, halves of a pair, what editors and terminals trip over. */
const oddChars = [
  '\u0000',
  '\u0007',
  '\u001b',
  '\ud800',
  '\udfff',
  '\u202e',
  '\u2028',
  '\ufeff',
  '\uffff',
  '"',
  '\\',
  '福',
];

function integerOf(schema: JsonSchema): fc.Arbitrary<number> {
  const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = bounds(schema);
  const wide = fc.bigInt({ min: BigInt(minimum), max: BigInt(maximum) }).map(Number);
  return fc.oneof(
    fc.constantFrom(minimum, maximum),
    wide,
    fc.integer({ min: minimum, max: Math.min(maximum, minimum + 1000) }),
  );
}

function numberOf(schema: JsonSchema): fc.Arbitrary<number> {
  const { minimum = -1e300, maximum = 1e300 } = bounds(schema);
  return fc.double({ min: minimum, max: maximum, noNaN: true });
}

const bounds = (schema: JsonSchema) => schema as { minimum?: number; maximum?: number };

function arrayOf(schema: JsonSchema): fc.Arbitrary<unknown[]> {
  const {
    prefixItems,
    items,
    minItems = 0,
    maxItems,
  } = schema as {
    prefixItems?: JsonSchema[];
    items?: JsonSchema;
    minItems?: number;
    maxItems?: number;
  };
  if (prefixItems !== undefined) return fc.tuple(...prefixItems.map(validValues));
  const maxLength = Math.min(maxItems ?? Number.POSITIVE_INFINITY, minItems + itemsMoreMax);
  return fc.array(validValues(items ?? {}), { minLength: minItems, maxLength });
}

function objectOf(schema: JsonSchema): fc.Arbitrary<object> {
  const {
    properties = {},
    required = [],
    additionalProperties,
  } = schema as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
    additionalProperties?: JsonSchema | boolean;
  };
  const fields = Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, validValues(field)]));
  const own = fc.record(fields, { requiredKeys: required });
  if (typeof additionalProperties !== 'object') return own;
  const others = fc.dictionary(fc.string({ maxLength: 8 }), validValues(additionalProperties), { maxKeys: 3 });
  return fc.tuple(others, own).map(([more, known]) => ({ ...more, ...known }));
}
