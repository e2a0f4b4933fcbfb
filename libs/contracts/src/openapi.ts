/** OpenAPI 3.1 documents made from the route tables and the very schemas that validate requests. */
import { z } from 'zod';
import { type ErrorCode, errorCatalogue } from './errors.ts';
import type { RouteDefinition } from './routes.ts';

type Json = Record<string, unknown>;

const problemSchema: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(errorCatalogue) },
    detail: { type: 'string' },
    retryAfterMs: { type: 'integer' },
  },
};

function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  return rest;
}

function contentOf(answer: RouteDefinition['answers'][number]): Json {
  if (answer === 'stream') return { 'text/event-stream': { schema: { type: 'string' } } };
  if (answer === 'text') return { 'text/plain': { schema: { type: 'string' } } };
  if (answer === 'html') return { 'text/html': { schema: { type: 'string' } } };
  return { 'application/json': { schema: jsonSchemaOf(answer, 'output') } };
}

function errorResponses(codes: readonly ErrorCode[]): Json {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = errorCatalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const schema = { $ref: '#/components/schemas/Problem' };
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      status,
      { description: list.join(', '), content: { 'application/problem+json': { schema } } },
    ]),
  );
}

function parametersOf(route: RouteDefinition): Json[] {
  const path = [...route.path.matchAll(/:(\w+)/g)].map((match) => ({
    name: match[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const query = (route.query ?? []).map(({ name, description }) => ({
    name,
    in: 'query',
    description,
    schema: { type: 'string' },
  }));
  const headers = (route.headers ?? []).map(({ name, description }) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }));
  return [...path, ...query, ...headers];
}

function operationOf(route: RouteDefinition): Json {
  const answers = Object.entries(route.answers).map(([status, answer]) => [
    status,
    { description: route.summary, content: contentOf(answer) },
  ]);
  return {
    summary: route.summary,
    parameters: parametersOf(route),
    ...(route.body
      ? {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: jsonSchemaOf(route.body, 'input') } },
          },
        }
      : {}),
    responses: { ...errorResponses(route.errors), ...Object.fromEntries(answers) },
    ...(route.auth === 'none' ? {} : { security: [{ bearer: [] }], 'x-role': route.auth }),
  };
}

/** The OpenAPI 3.1 document of a route table; `:name` parameters become `{name}`. */
export function openApiDocument(title: string, version: string, routes: readonly RouteDefinition[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title, version },
    paths,
    components: {
      schemas: { Problem: problemSchema },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  };
}

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** The same route table as one plain page: no scripts, nothing loaded from elsewhere. */
export function docsPage(title: string, routes: readonly RouteDefinition[]): string {
  const rows = routes.map((route) => {
    const errors = route.errors.map((code) => `${errorCatalogue[code].status} ${code}`).join(', ');
    const cells = [
      `${route.method} ${route.path}`,
      route.summary,
      route.auth,
      Object.keys(route.answers).join(', '),
      errors,
    ];
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
  });
  const errors = Object.entries(errorCatalogue).map(
    ([code, { status, meaning }]) =>
      `<tr id="${code}"><td>${code}</td><td>${status}</td><td>${escapeHtml(meaning)}</td></tr>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<style>body{font:15px/1.5 system-ui;margin:2rem;max-width:80rem}td,th{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #ddd;vertical-align:top}td:first-child{font-family:monospace;white-space:nowrap}</style>
<h1>${escapeHtml(title)}</h1><p>Schemas: <a href="/openapi.json">openapi.json</a></p>
<table><tr><th>request</th><th>does</th><th>token</th><th>answers</th><th>errors</th></tr>${rows.join('\n')}</table>
<h2>Errors</h2><table><tr><th>code</th><th>status</th><th>meaning</th></tr>${errors.join('\n')}</table></html>`;
}
