import type { ApiRequest, Reply } from './http.ts';

/** Base addresses, without a slash at the end: shakes go to one, everything about money to the other. They may be the same. */
export interface Endpoints {
  readonly shake: string;
  readonly money: string;
}

export function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

/** The addresses as an answer names them. */
export function endpointsFrom({ shake, money }: Endpoints): Endpoints {
  return { shake: withoutSlash(shake), money: withoutSlash(money) };
}

/** The addresses that a refusal names: it was asked of a server that does not serve it. */
export function endpointsToldBy(reply: Reply): Endpoints | undefined {
  if (reply.kind !== 'problem' || reply.problem.code !== 'not_found') return undefined;
  const told = (reply.problem['endpoints'] ?? {}) as Partial<Record<keyof Endpoints, unknown>>;
  return typeof told.shake === 'string' && typeof told.money === 'string'
    ? endpointsFrom({ shake: told.shake, money: told.money })
    : undefined;
}

/** The same request where it is served; undefined when that is where it was sent. */
export function movedTo(endpoints: Endpoints, request: ApiRequest): ApiRequest | undefined {
  const path = request.url.slice(request.url.indexOf('/v1/'));
  const url = `${path.endsWith('/shake') ? endpoints.shake : endpoints.money}${path}`;
  return url === request.url ? undefined : { ...request, url };
}
