import type { LoggerService } from '@nestjs/common';
import { destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** Structured log of one process: JSON lines on standard output. Tokens, tickets and receipts never enter it. */
export function createLogger(service: string, level: string): Logger {
  return pino(
    {
      level,
      base: { service, pid: process.pid },
      redact: { paths: ['req.headers.authorization', '*.ticket', '*.receipt', '*.token'], censor: '[redacted]' },
    },
    destination({ dest: 1, sync: false, minLength: 0 }),
  );
}

/** Nest's own messages through the same log; its chatter at start is debug. */
export function nestLogger(logger: Logger): LoggerService {
  const text = (message: unknown): string => (typeof message === 'string' ? message : JSON.stringify(message));
  return {
    log: (message, context) => logger.debug({ context }, text(message)),
    debug: (message, context) => logger.debug({ context }, text(message)),
    verbose: (message, context) => logger.trace({ context }, text(message)),
    warn: (message, context) => logger.warn({ context }, text(message)),
    error: (message, stack, context) => logger.error({ stack, context }, text(message)),
    fatal: (message, context) => logger.fatal({ context }, text(message)),
  };
}
