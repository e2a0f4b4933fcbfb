import type { Server } from 'node:http';
import {
  Controller,
  type DynamicModule,
  type FactoryProvider,
  Get,
  Inject,
  Injectable,
  Module,
  type OnModuleDestroy,
  type OnModuleInit,
  Res,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

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

/** What a probe is told, as plain text. */
export interface ProbeAnswer {
  readonly status: 200 | 503;
  readonly text: string;
}

/** What probes are told of this process, at whichever of its ports they ask. */
@Injectable()
export class Health implements OnModuleInit, OnModuleDestroy {
  private hasListened = false;
  private isStopping = false;

  constructor(
    @Inject(readinessChecks) private readonly checks: readonly ReadinessCheck[],
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  /** A port that is shut for a while later on does not count: a process that is only busy is ready. */
  onModuleInit(): void {
    const server = this.host.httpAdapter.getHttpServer() as Server;
    server.once('listening', () => {
      this.hasListened = true;
    });
  }

  onModuleDestroy(): void {
    this.isStopping = true;
  }

  /** To `/livez`: the process runs, also while it starts or stops. */
  live(): ProbeAnswer {
    return { status: 200, text: 'ok' };
  }

  /** To `/readyz`: 503 with the names of what is missing; before the process listens for its callers, and once it stops, in any case. */
  ready(): ProbeAnswer {
    if (this.isStopping) return { status: 503, text: 'not ready: it is stopping' };
    const missing = this.checks.filter((check) => !check.isReady()).map((check) => check.name);
    if (!this.hasListened) missing.push('its port');
    return missing.length === 0
      ? { status: 200, text: 'ok' }
      : { status: 503, text: `not ready: ${missing.join(', ')}` };
  }
}

@Controller()
class HealthController {
  constructor(@Inject(Health) private readonly health: Health) {}

  @Get('livez')
  live(@Res() reply: ReplyLike): void {
    send(reply, this.health.live());
  }

  @Get('readyz')
  ready(@Res() reply: ReplyLike): void {
    send(reply, this.health.ready());
  }
}

function send(reply: ReplyLike, { status, text }: ProbeAnswer): void {
  reply.code(status).type('text/plain').send(text);
}

@Module({})
class HealthModule {}

export interface HealthModuleOptions {
  /** Modules that export what `inject` names. */
  readonly imports?: NonNullable<DynamicModule['imports']>;
  readonly inject: NonNullable<FactoryProvider['inject']>;
  readonly checks: (...injected: never[]) => readonly ReadinessCheck[];
}

/** A module that serves `/livez` and `/readyz` on the application's port, and has the `Health` for `serveMetrics`. */
export function healthModule({ imports = [], inject, checks }: HealthModuleOptions): DynamicModule {
  const provider: FactoryProvider = {
    provide: readinessChecks,
    inject,
    useFactory: checks as FactoryProvider['useFactory'],
  };
  return { module: HealthModule, imports, controllers: [HealthController], providers: [provider, Health] };
}
