/** `npm start`: the whole system on this machine, until Ctrl-C. Settings come from the environment (README, API "Commands"). */
import { SettingsError, type Stack, stackOptionsOf, startStack } from './stack/index.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
/** npm hands on a Ctrl-C that the terminal has sent to its whole group already: one press arrives twice. */
const samePressMs = 300;

const stopping = new AbortController();
let firstPressAtMs: number | undefined;

function onSignal(): void {
  if (firstPressAtMs === undefined) {
    firstPressAtMs = performance.now();
    say('stopping …');
    stopping.abort();
  } else if (performance.now() - firstPressAtMs > samePressMs) {
    // The stack kills what is left when this process exits.
    process.exit(130);
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);

try {
  const stack = await startStack({ ...stackOptionsOf(process.env), say, signal: stopping.signal });
  if (!stopping.signal.aborted) sayReady(stack);
  await aborted(stopping.signal);
  await stack.stop();
  say('stopped');
} catch (error) {
  const isStopped = stopping.signal.aborted && isAbort(error);
  if (isStopped) say('stopped');
  else process.stderr.write(`${describe(error)}\n`);
  process.exitCode = isStopped ? 0 : 1;
}
// Nothing is left that could be waited for.
process.exit();

function sayReady(stack: Stack): void {
  say(`ops token ${stack.opsToken}`);
  if (stack.demoEventId !== undefined) say(`demo event ${stack.gatewayUrl}/play?event=${stack.demoEventId}`);
  if (stack.moneyUrl !== stack.gatewayUrl) say(`money ${stack.moneyUrl}`);
  // from when this process began, what had to be installed or built included
  say(`started in ${(performance.now() / 1000).toFixed(1)} s`);
  say(`ready ${stack.gatewayUrl}  ops ${stack.opsUrl}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // The waiting itself keeps the process alive.
    const alive = setInterval(() => undefined, 60_000);
    const end = () => {
      clearInterval(alive);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function describe(error: unknown): string {
  if (error instanceof SettingsError || !(error instanceof Error))
    return String(error instanceof Error ? error.message : error);
  const cause =
    error.cause instanceof Error && !error.message.includes(error.cause.message) ? `\n  ${error.cause.message}` : '';
  return `Hongbao cannot start: ${error.message}${cause}`;
}
