import { luaScript } from '#libs/redis';

/**
 * Looks at old entries of a lane's outstanding index whose job does not exist, and drops those of them that are named.
 *
 *   KEYS[1] outstanding index
 *   ARGV[1] only entries with a lower score (store-clock ms)
 *   ARGV[2] most entries to look at, oldest first
 *   ARGV[3] prefix of the lane's job keys (same hash tag)
 *   ARGV[4] … job ids that may be dropped
 *   Output  {entries dropped, ids of the orphans that stay …}
 */
export const dropOrphansScript = luaScript(`
local named = {}
for i = 4, #ARGV do named[ARGV[i]] = true end
local out = {0}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])) do
  if redis.call('EXISTS', ARGV[3] .. id) == 0 then
    if named[id] then out[1] = out[1] + redis.call('ZREM', KEYS[1], id) else out[#out + 1] = id end
  end
end
return out
`);
