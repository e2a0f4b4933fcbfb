export const openResults = [
  'credited',
  'known',
  'pending',
  'limit',
  'sponsor_limit',
  'taken',
  'expired',
  'uncertain',
  'overloaded',
  'queue_unavailable',
] as const;
export type OpenResult = (typeof openResults)[number];

/** Counts of this process since its start: plain numbers, read each second and at each scrape. */
export class OpenCounters {
  readonly results = Object.fromEntries(openResults.map((result) => [result, 0])) as Record<OpenResult, number>;
  inFlight = 0;
}
