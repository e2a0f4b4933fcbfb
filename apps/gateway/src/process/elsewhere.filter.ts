import { type ArgumentsHost, Catch, type ExceptionFilter, NotFoundException } from '@nestjs/common';
import { problemOf, publicRoutes } from '#libs/contracts';
import { sendProblem } from '#libs/runtime';
import type { AddressedRequest, Endpoints } from '../events/public-address.ts';

interface AskedRequest extends AddressedRequest {
  readonly method: string;
  readonly url: string;
}

const routePatterns = publicRoutes.map(({ method, path }) => {
  const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/?]+')}/?(\\?.*)?$`);
  return { method, pattern };
});

/** A route of the contract that this process does not have is another role's: the refusal says where it is. */
@Catch(NotFoundException)
export class ElsewhereFilter implements ExceptionFilter {
  constructor(private readonly endpointsFor: (request: AddressedRequest) => Endpoints) {}

  catch(_error: NotFoundException, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<AskedRequest>();
    const isKnown = routePatterns.some(({ method, pattern }) => method === request.method && pattern.test(request.url));
    const endpoints = isKnown ? { endpoints: this.endpointsFor(request) } : {};
    const detail = isKnown ? 'This address does not serve it: `endpoints` names the one that does.' : undefined;
    sendProblem(http.getResponse(), problemOf('not_found', detail, endpoints));
  }
}
