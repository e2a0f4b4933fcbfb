import { z } from 'zod';

/** A JSON Schema as it stands in the document. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** What one status may carry. */
export interface DocumentedAnswer {
  /** Of an error: the codes that are documented for it. */
  readonly codes: readonly string[];
  /** Media type → checks a body of it; text and streams are not looked into. */
  readonly media: ReadonlyMap<string, z.ZodType | undefined>;
}

/** One operation of a service, read from the document that the service itself serves. */
export interface Operation {
  /** `POST /v1/packets/open`. */
  readonly name: string;
  readonly method: string;
  /** With `{name}` parameters. */
  readonly path: string;
  readonly role: 'none' | 'session' | 'viewer' | 'operator';
  readonly parameters: readonly { readonly name: string; readonly in: 'path' | 'query' | 'header' }[];
  readonly body: JsonSchema | undefined;
  readonly answers: ReadonlyMap<number, DocumentedAnswer>;
}

const contentSchema = z.record(z.string(), z.object({ schema: z.record(z.string(), z.unknown()) }));
const operationSchema = z.object({
  parameters: z.array(z.object({ name: z.string(), in: z.enum(['path', 'query', 'header']) })),
  requestBody: z.object({ content: contentSchema }).optional(),
  responses: z.record(z.string(), z.object({ description: z.string(), content: contentSchema })),
  'x-role': z.enum(['session', 'viewer', 'operator']).optional(),
});
const documentSchema = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.object({ Problem: z.record(z.string(), z.unknown()) }) }),
});

const problemMedia = 'application/problem+json';

/** The operations of the service at this address. Throws when its document is none. */
export async function readOperations(baseUrl: string): Promise<Operation[]> {
  const answer = await fetch(`${baseUrl}/openapi.json`);
  const { paths, components } = documentSchema.parse(await answer.json());
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Operation => {
      const responses = Object.entries(operation.responses);
      return {
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        role: operation['x-role'] ?? 'none',
        parameters: operation.parameters,
        body: operation.requestBody?.content['application/json']?.schema,
        answers: new Map(
          responses.map(([status, response]) => [Number(status), answerOf(response, components.schemas.Problem)]),
        ),
      };
    }),
  );
}

function answerOf(
  { description, content }: z.infer<typeof operationSchema>['responses'][string],
  problem: JsonSchema,
): DocumentedAnswer {
  const media = new Map(
    Object.entries(content).map(([type, { schema }]) => {
      if (!type.endsWith('json')) return [type, undefined];
      return [type, z.fromJSONSchema(type === problemMedia ? problem : schema)];
    }),
  );
  return { codes: media.has(problemMedia) ? description.split(', ') : [], media };
}
