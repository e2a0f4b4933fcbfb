import { Controller, type DynamicModule, type FactoryProvider, Get, Inject, Module, Res } from '@nestjs/common';

/** One thing that must work before this process takes work. */
export interface ReadinessCheck {
  readonly name: string;
  /** True when it works now; answers from memory, never by a call that can hang. */
  readonly isReady: () => boolean;
}

const readinessChecks = Symbol('readinessChecks');

interface ReplyLike {
  code(status: number): ReplyLike;
  type(value: string): ReplyLike;
  send(body: string): unknown;
}

@Controller()
class HealthController {
  constructor(@Inject(readinessChecks) private readonly checks: readonly ReadinessCheck[]) {}

  @Get('livez')
  live(): string {
    return 'ok';
  }

  @Get('readyz')
  ready(@Res() reply: ReplyLike): void {
    const missing = this.checks.filter((check) => !check.isReady()).map((check) => check.name);
    reply
      .code(missing.length === 0 ? 200 : 503)
      .type('text/plain')
      .send(missing.length === 0 ? 'ok' : `not ready: ${missing.join(', ')}`);
  }
}

@Module({})
class HealthModule {}

export interface HealthModuleOptions {
  /** Modules that export what `inject` names. */
  readonly imports?: NonNullable<DynamicModule['imports']>;
  readonly inject: NonNullable<FactoryProvider['inject']>;
  readonly checks: (...injected: never[]) => readonly ReadinessCheck[];
}

/** A module that serves `/livez` and `/readyz` (503 with the names of what is not ready). */
export function healthModule({ imports = [], inject, checks }: HealthModuleOptions): DynamicModule {
  const provider: FactoryProvider = {
    provide: readinessChecks,
    inject,
    useFactory: checks as FactoryProvider['useFactory'],
  };
  return { module: HealthModule, imports, controllers: [HealthController], providers: [provider] };
}
