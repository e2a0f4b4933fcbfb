/**
 * Shared head of the stock scripts.
 * `runId()`: identity of this server process, new with every restart and on every other server.
 * `nowMs()`: the store clock, milliseconds since the epoch.
 * Scripts replicate by effect (Redis 7, Valkey), so neither makes a replica differ.
 */
export const storeIdentityLua = `
local function runId()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
local function nowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;
