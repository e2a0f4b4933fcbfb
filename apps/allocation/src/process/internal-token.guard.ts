import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { bearerToken, ProblemError, secretsEqual } from '#libs/runtime';
import type { AllocationParts } from './allocation-parts.ts';
import { allocationParts } from './tokens.ts';

/** Only our own processes come in; the token is compared in constant time. */
@Injectable()
export class InternalTokenGuard implements CanActivate {
  constructor(@Inject(allocationParts) private readonly parts: AllocationParts) {}

  canActivate(context: ExecutionContext): true {
    const request = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    const token = bearerToken(request.headers.authorization);
    if (token === undefined || !secretsEqual(token, this.parts.resources.config.INTERNAL_TOKEN)) {
      throw new ProblemError('unauthenticated');
    }
    return true;
  }
}
