/**
 * Enters a job into a lane's outstanding index, unless it is too late by the store's own clock: a command may have waited in a socket for
 * as long as the server was stopped or cut off, and its user was told long ago that nothing was accepted (invariant 6).
 *
 *   KEYS[1] outstanding index
 *   ARGV[1] job id
 *   ARGV[2] oldest acceptance in the job (store-clock ms)
 *   ARGV[3] store-clock ms from which on it is refused; empty: never
 *   Output  1 entered, 0 refused: nothing was written
 *
 * Sent as text each time: by its digest it could meet a server that does not know it, and would then come after the job.
 */
export const addOutstandingLua = `
if ARGV[3] ~= '' then
  local time = redis.call('TIME')
  if time[1] * 1000 + math.floor(time[2] / 1000) >= tonumber(ARGV[3]) then return 0 end
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1`;
