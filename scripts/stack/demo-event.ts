import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type EventPlanInput, eventListSchema, opsEventSchema } from '#libs/contracts';
import { readJsonFile, writeJsonFile } from './json-file.ts';

const title = 'Demo';
const reason = 'demo event of npm start';
const keptSchema = z.object({ id: z.string() });
const durationMs = 6 * 3_600_000;
/** A demo that ends sooner is followed by a new one. */
const remainingMinMs = 10 * 60_000;
const sponsors = [
  { id: 'tea', name: 'Jade Tea House' },
  { id: 'noodles', name: 'Long Life Noodles' },
  { id: 'bank', name: 'Harbour Bank' },
  { id: 'phones', name: 'Swallow Phones' },
  { id: 'trains', name: 'Night Trains' },
];
const pollMs = 100;
const liveTimeoutMs = 30_000;
const requestTimeoutMs = 10_000;

/** Where the demo event is made and shown. */
export type DemoPlace = { dataDir: string; gatewayUrl: string; moneyUrl: string; opsUrl: string; opsToken: string };

/**
 * The id of a live event to play with: the one of the last start (`dataDir/demo-event.json`) while it goes on, else a new one,
 * created and armed through the ops REST. Resolves when the gateways show it live.
 */
export async function ensureDemoEvent(place: DemoPlace, signal: AbortSignal | undefined): Promise<string> {
  const id = (await findKept(place)) ?? (await createDemo(place));
  const deadline = Date.now() + liveTimeoutMs;
  while (!(await isShownEverywhere(place, id))) {
    signal?.throwIfAborted();
    if (Date.now() > deadline) throw new Error(`The demo event ${id} is not live after ${liveTimeoutMs} ms`);
    await delay(pollMs);
  }
  return id;
}

async function findKept(place: DemoPlace): Promise<string | undefined> {
  const kept = await readJsonFile(join(place.dataDir, 'demo-event.json'), keptSchema);
  if (kept === undefined) return undefined;
  const answer = await ask(place, 'GET', `/${kept.id}`);
  if (answer.status === 404) return undefined;
  const { state, plan } = opsEventSchema.parse(await bodyOf(answer));
  const leftMs = Date.parse(plan.endsAt) - Date.now();
  return plan.title === title && (state === 'armed' || state === 'live') && leftMs > remainingMinMs
    ? kept.id
    : undefined;
}

async function createDemo(place: DemoPlace): Promise<string> {
  const { id } = keptSchema.parse(await bodyOf(await ask(place, 'POST', '', { ...demoPlan(Date.now()), reason })));
  await bodyOf(await ask(place, 'POST', `/${id}/arm`, { reason }));
  await writeJsonFile(join(place.dataDir, 'demo-event.json'), { id });
  return id;
}

async function isShownEverywhere({ gatewayUrl, moneyUrl }: DemoPlace, id: string): Promise<boolean> {
  const shown = [...new Set([gatewayUrl, moneyUrl])].map((url) => isShownLive(url, id));
  return (await Promise.all(shown)).every(Boolean);
}

async function isShownLive(gatewayUrl: string, id: string): Promise<boolean> {
  const answer = await fetch(`${gatewayUrl}/v1/events`, { signal: AbortSignal.timeout(requestTimeoutMs) });
  const { events } = eventListSchema.parse(await bodyOf(answer));
  return events.some((event) => event.id === id && event.state === 'live');
}

async function ask(place: DemoPlace, method: 'GET' | 'POST', path: string, body?: unknown): Promise<Response> {
  return await fetch(`${place.opsUrl}/ops/v1/events${path}`, {
    method,
    headers: { authorization: `Bearer ${place.opsToken}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(requestTimeoutMs),
  });
}

async function bodyOf(answer: Response): Promise<unknown> {
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

/**
 * Generous from the first second: some hundreds of packets of each sponsor are out within ten seconds, then two a second, more than one
 * user can win; and one user may win of every sponsor.
 */
export function demoPlan(nowMs: number): EventPlanInput {
  return {
    title,
    startsAt: new Date(nowMs).toISOString(),
    endsAt: new Date(nowMs + durationMs).toISOString(),
    perUserMax: sponsors.length,
    ticketTtlMs: 120_000,
    staggerMs: 0,
    sponsors,
    waves: [
      {
        no: 0,
        startsAt: new Date(nowMs).toISOString(),
        durationMs,
        pools: sponsors.map(({ id }) => ({
          sponsorId: id,
          packetCount: 40_000,
          budgetFen: 40_000 * 188,
          minFen: 1,
          maxFen: 8_888,
          sharePortions: 5,
          shareBudgetFen: 40_000 * 50,
          releaseCurve: [
            [0, 0],
            [0.0005, 0.02],
            [1, 1],
          ],
        })),
      },
    ],
  };
}
