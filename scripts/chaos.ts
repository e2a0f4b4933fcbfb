/** `npm run chaos`: accidents on real processes under load, every answer held against the books. Exit code 1 on any violation. */
import { randomInt } from 'node:crypto';
import { type ChaosOptions, OptionsError, parseOptions, usage } from './chaos/options.ts';
import { runChaos } from './chaos/run-chaos.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

try {
  const options = parseOptions(process.argv.slice(2), randomInt(2 ** 32));
  process.exitCode = options === 'help' ? sayUsage() : await run(options);
} catch (error) {
  process.exitCode = 1;
  const hint = error instanceof OptionsError ? `\n${usage}` : '';
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${error instanceof OptionsError ? error.message : text}${hint}\n`);
}
process.exit();

function sayUsage(): number {
  say(usage);
  return 0;
}

async function run(options: ChaosOptions): Promise<number> {
  const { rounds, violations } = await runChaos(options, say);
  say(`${rounds} rounds, ${violations} violations`);
  return violations === 0 ? 0 : 1;
}
