import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Inject,
  Injectable,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { bearerToken, ProblemError } from '#libs/runtime';
import { opsParts } from './ops.tokens.ts';
import type { OpsParts } from './ops-parts.ts';
import type { Actor, OpsRole } from './ops-tokens.ts';

const roleKey = 'opsRole';

/** The route reads: a viewer or an operator may call it. */
export const ForViewers = () => SetMetadata(roleKey, 'viewer' satisfies OpsRole);
/** The route acts: only an operator may call it. */
export const ForOperators = () => SetMetadata(roleKey, 'operator' satisfies OpsRole);

interface OpsRequest {
  /** Of the client, also behind a trusted proxy; undefined when it is gone. */
  readonly ip: string | undefined;
  readonly headers: { readonly authorization?: string };
  actor?: Actor;
}

const requestOf = (context: ExecutionContext): OpsRequest => context.switchToHttp().getRequest<OpsRequest>();

/** Who calls, as the guard found. */
export const CurrentActor = createParamDecorator((_data: unknown, context: ExecutionContext): Actor => {
  const { actor } = requestOf(context);
  if (actor === undefined) throw new Error('a route without OpsAuthGuard asked who calls');
  return actor;
});

/** Lets in who has a token with the role that the route names; TokenDoor says how guessing is slowed. */
@Injectable()
export class OpsAuthGuard implements CanActivate {
  constructor(
    @Inject(opsParts) private readonly parts: OpsParts,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): true {
    const needed = this.reflector.get<OpsRole | undefined>(roleKey, context.getHandler());
    if (needed === undefined) throw new Error(`${context.getHandler().name} names no role`);
    const request = requestOf(context);
    const actor = this.actorOf(request);
    if (needed === 'operator' && actor.role !== 'operator')
      throw new ProblemError('forbidden', 'a viewer token reads; acting needs an operator token');
    request.actor = actor;
    return true;
  }

  private actorOf(request: OpsRequest): Actor {
    const token = bearerToken(request.headers.authorization);
    // no token is no guess
    if (token === undefined) throw new ProblemError('unauthenticated');
    const entry = this.parts.door.enter(request.ip, token);
    switch (entry.status) {
      case 'in':
        return entry.actor;
      case 'wrong':
        throw new ProblemError('unauthenticated');
      case 'limited':
        throw new ProblemError('too_many_requests', undefined, { retryAfterMs: entry.retryAfterMs });
    }
  }
}
