import { readFileSync } from 'node:fs';

/** A column as schema.prisma describes it, in the words of PostgreSQL's catalogue. */
export interface SchemaColumn {
  readonly name: string;
  readonly type: string;
  readonly isNullable: boolean;
  readonly hasDefault: boolean;
}

export interface SchemaTable {
  readonly name: string;
  readonly columns: readonly SchemaColumn[];
  readonly primaryKey: readonly string[];
  readonly uniques: readonly (readonly string[])[];
  /** `columns -> table(columns)` */
  readonly foreignKeys: readonly string[];
}

interface Field {
  readonly field: string;
  readonly type: string;
  readonly modifier: string;
  readonly attributes: string;
}

interface Model {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly attributes: readonly string[];
}

const scalarTypes: Readonly<Record<string, string>> = {
  Int: 'integer',
  BigInt: 'bigint',
  String: 'text',
  Json: 'jsonb',
  Bytes: 'bytea',
};

const nativeTypes: Readonly<Record<string, string>> = {
  '@db.SmallInt': 'smallint',
  '@db.Timestamptz(6)': 'timestamp with time zone',
};

/** The tables of a schema.prisma, by name. It knows what this schema uses, and throws at anything else. */
export function readSchema(path: string): SchemaTable[] {
  const models = parseModels(readFileSync(path, 'utf8'));
  return models.map((model) => tableOf(model, models)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function parseModels(text: string): Model[] {
  return [...text.matchAll(/^model (\w+) \{\n(.*?)^\}/gms)].map(([, name, body]) => {
    const lines = body!.split('\n').map((line) => line.trim());
    return {
      name: name!,
      fields: lines.filter((line) => /^\w/.test(line)).map(parseField),
      attributes: lines.filter((line) => line.startsWith('@@')),
    };
  });
}

function parseField(line: string): Field {
  const match = /^(\w+)\s+(\w+)(\?|\[\])?\s*(.*)$/.exec(line);
  if (match === null) throw new Error(`not a field: ${line}`);
  return { field: match[1]!, type: match[2]!, modifier: match[3] ?? '', attributes: match[4]! };
}

function tableOf(model: Model, models: readonly Model[]): SchemaTable {
  const columnFields = model.fields.filter(({ type }) => !models.some(({ name }) => name === type));
  return {
    name: tableNameOf(model),
    columns: columnFields.map(columnOf),
    primaryKey: keysOf(model, '@id', '@@id')[0] ?? [],
    uniques: keysOf(model, '@unique', '@@unique'),
    foreignKeys: model.fields.flatMap((field) => foreignKeyOf(field, model, models)).sort(),
  };
}

function tableNameOf(model: Model): string {
  return model.attributes.flatMap((line) => /^@@map\("(\w+)"\)$/.exec(line)?.[1] ?? [])[0] ?? model.name;
}

function columnOf({ field, type, modifier, attributes }: Field): SchemaColumn {
  const native = /@db\.\w+(\(\d+\))?/.exec(attributes)?.[0];
  const sqlType = native === undefined ? scalarTypes[type] : nativeTypes[native];
  if (sqlType === undefined) throw new Error(`the type of ${field} ${type} ${native ?? ''} is not known here`);
  return {
    name: columnNameOf(field, attributes),
    type: sqlType,
    isNullable: modifier === '?',
    hasDefault: attributes.includes('@default('),
  };
}

function columnNameOf(field: string, attributes: string): string {
  return /@map\("(\w+)"\)/.exec(attributes)?.[1] ?? field;
}

function columnsOf(model: Model, fields: string): string[] {
  return fields.split(',').map((name) => {
    const found = model.fields.find(({ field }) => field === name.trim());
    if (found === undefined) throw new Error(`${model.name} has no field ${name}`);
    return columnNameOf(found.field, found.attributes);
  });
}

function keysOf(model: Model, ofField: string, ofModel: string): string[][] {
  const single = model.fields
    .filter(({ attributes }) => new RegExp(`(^| )${ofField}\\b`).test(attributes))
    .map(({ field, attributes }) => [columnNameOf(field, attributes)]);
  const several = model.attributes.flatMap((line) => {
    const fields = new RegExp(`^${ofModel}\\(\\[([^\\]]+)\\]`).exec(line)?.[1];
    return fields === undefined ? [] : [columnsOf(model, fields)];
  });
  return [...single, ...several].sort();
}

function foreignKeyOf({ type, attributes }: Field, model: Model, models: readonly Model[]): string[] {
  const match = /@relation\(fields: \[([^\]]+)\], references: \[([^\]]+)\]\)/.exec(attributes);
  if (match === null) return [];
  const target = models.find(({ name }) => name === type)!;
  const [from, to] = [columnsOf(model, match[1]!), columnsOf(target, match[2]!)];
  return [`${from.join(', ')} -> ${tableNameOf(target)}(${to.join(', ')})`];
}
