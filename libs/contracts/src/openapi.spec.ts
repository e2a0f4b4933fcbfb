import { describe, expect, it } from 'vitest';
import { docsPage, openApiDocument } from './openapi.ts';
import { opsRoutes, publicRoutes } from './routes.ts';

describe.each([
  ['public', publicRoutes],
  ['operations', opsRoutes],
])('OpenAPI of the %s routes', (_name, routes) => {
  const document = openApiDocument('Hongbao', '1', routes) as {
    paths: Record<string, Record<string, { parameters: { in: string; name: string }[] }>>;
  };

  it('holds every route once, with its path parameters', () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(operations.length).toBe(routes.length);
    for (const route of routes) {
      const operation = document.paths[route.path.replaceAll(/:(\w+)/g, '{$1}')]?.[route.method.toLowerCase()];
      const names = operation?.parameters
        .filter((parameter) => parameter.in === 'path')
        .map((parameter) => parameter.name);
      expect(names, route.path).toEqual([...route.path.matchAll(/:(\w+)/g)].map((match) => match[1]));
    }
  });

  it('is plain JSON, without references that lead nowhere', () => {
    const text = JSON.stringify(document);
    expect(JSON.parse(text)).toEqual(document);
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(references)).toEqual(new Set(['#/components/schemas/Problem']));
  });

  it('is shown as a page that names every path', () => {
    const page = docsPage('Hongbao', routes);
    for (const route of routes) expect(page).toContain(`${route.method} ${route.path}`);
  });
});
