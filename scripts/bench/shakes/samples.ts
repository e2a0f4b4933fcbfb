import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { RefusedError } from '../frame/suite.ts';
import type { Server } from './closed-loop.ts';
import type { Place } from './place.ts';

const missesWanted = 64;
const shakesMax = 5000;
const shakesAtOnce = 10;
const pauseMs = 10;
const answerSchema = z.object({ result: z.string() });

/** Bodies of a gateway's answers, as it gave them. */
export interface SampleBodies {
  readonly misses: readonly string[];
  readonly hit: string;
}

/** Shakes an event that is being stocked until there are misses and a hit. @throws RefusedError when nobody wins. */
export async function sampleBodies(place: Place, { port }: Server, eventId: number): Promise<SampleBodies> {
  const tokens = (await readFile(place.tokensFile, 'latin1')).split('\n', shakesMax);
  const misses: string[] = [];
  const hits: string[] = [];
  for (let at = 0; at < tokens.length && (hits.length === 0 || misses.length < missesWanted); at += shakesAtOnce) {
    const bodies = await Promise.all(
      tokens.slice(at, at + shakesAtOnce).map((token) => shakeOnce(port, eventId, token)),
    );
    misses.push(...bodies.filter((body) => resultOf(body) === 'miss'));
    hits.push(...bodies.filter((body) => resultOf(body) === 'hit'));
    await delay(pauseMs, undefined, { signal: place.context.signal });
  }
  const [hit] = hits;
  if (hit === undefined || misses.length === 0)
    throw new RefusedError(`of ${tokens.length} first shakes ${hits.length} won and ${misses.length} missed`);
  return { misses: misses.slice(0, missesWanted), hit };
}

async function shakeOnce(port: number, eventId: number, token: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`http://127.0.0.1:${port}/v1/events/${eventId}/shake`, { method: 'POST', headers });
  return await answer.text();
}

const resultOf = (body: string): string => answerSchema.parse(JSON.parse(body)).result;
