import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { pinnedCommand } from '../measure/pinning.ts';

const run = promisify(execFile);
/** wrk's own start and end, over the seconds that it measures. */
const slackMs = 30_000;
/** wrk counts later answers as failures. */
const answerMaxSeconds = 10;
const script = join(import.meta.dirname, 'shakes.lua');

const figuresSchema = z.object({
  requests: z.int(),
  micros: z.int(),
  bytes: z.int(),
  /** Connections that failed, and requests without an answer. */
  failed: z.int(),
  /** Answers of another status than 2xx and 3xx. */
  refused: z.int(),
  p50Micros: z.number(),
  p99Micros: z.number(),
});
export type WrkFigures = z.infer<typeof figuresSchema>;

export interface WrkRun {
  readonly wrk: string;
  readonly core: number;
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly tokensFile: string;
  readonly eventIds: readonly number[];
  /** Number of the first shake (driver/turns.ts). */
  readonly firstShake: number;
  readonly signal: AbortSignal;
}

/** Shakes in a closed loop from one core: each connection sends its next request when it has the answer to the last. */
export async function runWrk(options: WrkRun): Promise<WrkFigures> {
  const { wrk, core, port, connections, seconds, tokensFile, eventIds, firstShake, signal } = options;
  const { command, args } = pinnedCommand(core, wrk, [
    ...['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`],
    ...['--timeout', `${answerMaxSeconds}s`, '--script', script],
    ...[`http://127.0.0.1:${port}`, '--', tokensFile, eventIds.join(','), String(firstShake)],
  ]);
  const { stdout } = await run(command, args, { signal, timeout: seconds * 1000 + slackMs });
  return readFigures(stdout);
}

/** The JSON line among what wrk says. */
export function readFigures(output: string): WrkFigures {
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`wrk gave no figures:\n${output}`);
  return figuresSchema.parse(JSON.parse(line));
}
