import { luaScript } from './lua-script.ts';
import { storeIdentityLua } from './store-identity.lua.ts';

/**
 * Puts blocks on the stock lists of their pools, unless the store is another one than the stocker believes: what was stocked on a
 * former server (or before a FLUSHALL, which takes the stamp away) must not be mixed with new stock (invariants 2 and 10).
 * A list that grows over its limit loses its oldest blocks: they come back by time.
 *
 *   KEYS[1] stamp
 *   KEYS[2] set of pool ids with a list
 *   KEYS[3…] stock list of each pool
 *   ARGV[1] expected stamp
 *   ARGV[2] limit of a list, in blocks
 *   ARGV[3…] pool id of each list, in the order of the lists
 *   ARGV[3 + lists…] pairs: number of the list (1 = KEYS[3]), block (JSON)
 *   Output  {1, blocks trimmed, length of each list…} pushed
 *           {0} the store has changed: nothing was done
 */
export const pushBlocksScript = luaScript(`${storeIdentityLua}
local stamp = redis.call('GET', KEYS[1])
if stamp ~= ARGV[1] or stamp ~= runId() then return { 0 } end
local lists = #KEYS - 2
for list = 1, lists do redis.call('SADD', KEYS[2], ARGV[2 + list]) end
for arg = 3 + lists, #ARGV, 2 do
  redis.call('LPUSH', KEYS[2 + tonumber(ARGV[arg])], ARGV[arg + 1])
end
local limit = tonumber(ARGV[2])
local answer = { 1, 0 }
for list = 1, lists do
  local key = KEYS[2 + list]
  local length = redis.call('LLEN', key)
  if length > limit then
    redis.call('LTRIM', key, 0, limit - 1)
    answer[2] = answer[2] + length - limit
    length = limit
  end
  answer[2 + list] = length
end
return answer
`);
