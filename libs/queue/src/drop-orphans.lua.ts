import { luaScript } from '#libs/redis';

/**
 * Drops old entries of a lane's outstanding index whose job does not exist.
 *
 *   KEYS[1] outstanding index
 *   ARGV[1] only entries with a lower score (store-clock ms)
 *   ARGV[2] most entries to look at, oldest first
 *   ARGV[3] prefix of the lane's job keys (same hash tag)
 *   Output  entries dropped
 */
export const dropOrphansScript = luaScript(`
local dropped = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])) do
  if redis.call('EXISTS', ARGV[3] .. id) == 0 then dropped = dropped + redis.call('ZREM', KEYS[1], id) end
end
return dropped
`);
