import type { Weights } from './commands.ts';

/** Blocks on their way: stock, reclaim, restock and retire, each with crash points, and gateways and stores that die. */
export const blockLife: Weights = {
  deadlines: 30,
  clock: 20,
  shakes: 60,
  gatewayDies: 10,
  opens: 10,
  landings: 10,
  stocks: 80,
  restocks: 50,
  reclaims: 50,
  turns: 50,
  works: 40,
  recalls: 10,
  storeEnds: 25,
  storeKeeps: 10,
  orphans: 15,
  resumes: 50,
  kills: 20,
};

/** Opens that are accepted, durable or settled late, against reclaims and restocks of their blocks. */
export const lateOpens: Weights = {
  deadlines: 60,
  clock: 10,
  shakes: 80,
  opens: 60,
  landings: 40,
  asksAgain: 20,
  stocks: 20,
  restocks: 40,
  reclaims: 60,
  turns: 60,
  works: 60,
  lateOpens: 50,
  grabs: 30,
  regains: 8,
  replays: 10,
  storeEnds: 5,
  storeKeeps: 5,
  orphans: 10,
  resumes: 50,
  kills: 10,
};

/** Opens and grabs in many batches at the same time, again and again, dead letters, and the end of the event. */
export const settlement: Weights = {
  deadlines: 10,
  clock: 20,
  shakes: 100,
  opens: 40,
  asksAgain: 40,
  stocks: 40,
  restocks: 10,
  turns: 15,
  works: 100,
  lateOpens: 15,
  grabs: 60,
  recalls: 30,
  replays: 20,
  storeEnds: 3,
  storeKeeps: 3,
  orphans: 5,
  resumes: 50,
  kills: 10,
  closes: 6,
  settles: 30,
  ends: 8,
};

/** Little but the end: for what goes wrong there alone. */
export const ending: Weights = { clock: 20, deadlines: 20, shakes: 60, opens: 20, stocks: 20, works: 60, ends: 20 };

/** Opens that nobody can settle, and reclaims of their blocks. */
export const poisoned: Weights = { deadlines: 20, shakes: 60, opens: 40, stocks: 20, works: 60, turns: 40, replays: 5 };
