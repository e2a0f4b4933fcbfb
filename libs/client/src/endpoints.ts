import type { ApiRequest, Reply } from './http.ts';

/** Base addresses, without a slash at the end: shakes go to one, everything about money to the other. They may be the same. */
export interface Endpoints {
  readonly shake: string;
  readonly money: string;
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

/** Requests in a row without an answer, or with one that is not the server's own, after which an address that was told is given up. */
const lostMax = 3;

/** Where requests go: to the address that the host application gave, until an answer names others. */
export class Addresses {
  /** As the host application gave it. */
  readonly base: string;
  private told: Endpoints;
  private readonly lost = { shake: 0, money: 0 };

  constructor(baseUrl: string) {
    this.base = withoutSlash(baseUrl);
    this.told = { shake: this.base, money: this.base };
  }

  get shake(): string {
    return this.told.shake;
  }

  get money(): string {
    return this.told.money;
  }

  follow(told: Endpoints): void {
    this.told = endpointsFrom(told);
    this.lost.shake = this.lost.money = 0;
  }

  /**
   * What became of a request. An address from which nothing comes any more may have moved: the next request goes to the one that was given, and is
   * answered there, or told where it is served now.
   */
  heard({ url }: ApiRequest, { kind }: Reply): void {
    if (kind === 'aborted') return;
    for (const name of ['shake', 'money'] as const) {
      if (!url.startsWith(`${this.told[name]}/`)) continue;
      this.lost[name] = kind === 'lost' ? this.lost[name] + 1 : 0;
      if (this.lost[name] < lostMax) continue;
      this.told = { ...this.told, [name]: this.base };
      this.lost[name] = 0;
    }
  }
}

/** The addresses as an answer names them. */
function endpointsFrom({ shake, money }: Endpoints): Endpoints {
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
