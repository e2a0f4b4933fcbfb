import type { INestApplication } from '@nestjs/common';
import { ConfigError } from './config.ts';
import type { Logger } from './logger.ts';

export interface RunningService {
  readonly app: INestApplication;
  readonly logger: Logger;
  /** Longest the drain may take before the process ends anyway. */
  readonly shutdownTimeoutMs: number;
  /** Ends what Nest does not know of (metrics server); runs after the app is closed. */
  readonly afterClose?: () => Promise<void> | void;
}

/**
 * Runs one service process: starts it, ends it gently on SIGTERM, SIGINT or when the supervisor that started it is gone
 * (its IPC channel closes), exits 1 with one message when it cannot start. The same signal again ends it at once.
 */
export async function runService(name: string, start: () => Promise<RunningService>): Promise<void> {
  let service: RunningService;
  try {
    service = await start();
  } catch (error) {
    process.stderr.write(
      error instanceof ConfigError ? `${error.message}\n` : `${name} cannot start: ${describe(error)}\n`,
    );
    process.exit(1);
  }
  let stopping: string | undefined;
  const stop = (cause: string): void => {
    if (stopping === cause) process.exit(130);
    if (stopping !== undefined) return;
    stopping = cause;
    service.logger.info({ cause }, 'stopping');
    setTimeout(() => process.exit(1), service.shutdownTimeoutMs).unref();
    close(service).then(
      () => process.exit(0),
      (error: unknown) => {
        service.logger.fatal({ err: error }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  // Ctrl-C reaches the whole process group: under a supervisor it is the supervisor that says when to stop.
  process.on('SIGINT', () => (process.connected ? undefined : stop('SIGINT')));
  process.on('disconnect', () => stop('supervisor gone'));
  // It may have gone while the service was starting.
  if (process.send !== undefined && !process.connected) stop('supervisor gone');
  process.on('unhandledRejection', (error) => {
    service.logger.fatal({ err: error }, 'unhandled rejection');
    process.exit(1);
  });
}

async function close(service: RunningService): Promise<void> {
  await service.app.close();
  await service.afterClose?.();
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause ? `${error.message} (${describe(error.cause)})` : error.message;
}
