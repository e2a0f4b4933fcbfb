import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { bearerToken, ProblemError, secretsEqual } from '#libs/runtime';
import { shareParts } from './share.tokens.ts';
import type { ShareParts } from './share-parts.ts';

/** Only our own processes come in. */
@Injectable()
export class InternalTokenGuard implements CanActivate {
  constructor(@Inject(shareParts) private readonly parts: ShareParts) {}

  canActivate(context: ExecutionContext): true {
    const request = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    const token = bearerToken(request.headers.authorization);
    if (token === undefined || !secretsEqual(token, this.parts.config.INTERNAL_TOKEN))
      throw new ProblemError('unauthenticated');
    return true;
  }
}
