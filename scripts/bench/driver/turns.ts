/** So many users in a row shake in one event before the next event has its turn: a client's address changes seldom. */
const run = 64;

/**
 * Whose shake in which event the one with this number is: every user shakes in every event once before anybody does again. As in
 * wrk/shakes.lua.
 */
export function turnAt(at: number, users: number, events: number): { readonly user: number; readonly event: number } {
  const chunk = Math.floor(at / run);
  return { user: (Math.floor(chunk / events) * run + (at % run)) % users, event: chunk % events };
}
