import { luaScript } from './lua-script.ts';
import { stockListsLua } from './stock-lists.lua.ts';
import { storeIdentityLua } from './store-identity.lua.ts';

/**
 * Puts blocks on the stock lists of their pools, unless the store is another one than the stocker believes: what was stocked on a
 * former server (or before a FLUSHALL, which takes the stamp away) must not be mixed with new stock (invariants 2 and 10).
 * Blocks whose time is past leave the lists, and the oldest of a list that grows over its limit: they come back by time.
 *
 *   KEYS[1] stamp
 *   KEYS[2] set of pool ids with a list
 *   KEYS[3] hash of pool id → indexes on its list
 *   KEYS[4…] stock list of each pool
 *   ARGV[1] expected stamp
 *   ARGV[2] limit of a list, in blocks
 *   ARGV[3…] two for each list: pool id, indexes in the blocks that are pushed to it
 *   ARGV[3 + 2 × lists…] pairs: number of the list (1 = KEYS[4]), block (JSON)
 *   Output  {1, blocks trimmed, length of each list…} pushed
 *           {0} the store has changed: nothing was done
 */
export const pushBlocksScript = luaScript(`${storeIdentityLua}${stockListsLua}
local stamp = redis.call('GET', KEYS[1])
if stamp ~= ARGV[1] or stamp ~= runId() then return { 0 } end
local lists, limit, now = #KEYS - 3, tonumber(ARGV[2]), nowMs()
for arg = 3 + 2 * lists, #ARGV, 2 do
  redis.call('LPUSH', KEYS[3 + tonumber(ARGV[arg])], ARGV[arg + 1])
end
local answer = { 1, 0 }
for list = 1, lists do
  local key, pool = KEYS[3 + list], ARGV[1 + 2 * list]
  local added = tonumber(ARGV[2 + 2 * list]) - dropPast(key, now)
  local length = redis.call('LLEN', key)
  if length > limit then
    added = added - countOf(redis.call('RPOP', key, length - limit))
    answer[2] = answer[2] + length - limit
    length = limit
  end
  redis.call('SADD', KEYS[2], pool)
  redis.call('HINCRBY', KEYS[3], pool, added)
  answer[2 + list] = length
end
return answer
`);
