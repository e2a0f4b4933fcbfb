import { luaScript } from './lua-script.ts';
import { storeIdentityLua } from './store-identity.lua.ts';

/**
 * Throws all stock away and stamps the store as the one that stock may be built on, unless this is not the server that the caller
 * means, or it is stamped already: by another stocker, while the caller was stopped. The lists are found by their registry; they share
 * its hash tag.
 *
 *   KEYS[1] stamp
 *   KEYS[2] set of pool ids with a list
 *   KEYS[3] hash of pool id → indexes on its list
 *   KEYS[4] time of the stamp, ms
 *   ARGV[1] run id of the server that the caller has seen
 *   ARGV[2] prefix of the stock lists
 *   Output  {1, lists removed} it is stamped; nothing is removed when it was before
 *           {0, run id of this server} another server: nothing was done
 */
export const resetStockScript = luaScript(`${storeIdentityLua}
local id = runId()
if id ~= ARGV[1] then return { 0, id } end
if redis.call('GET', KEYS[1]) == id then return { 1, 0 } end
local removed = 0
for _, pool in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  removed = removed + redis.call('DEL', ARGV[2] .. pool)
end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('SET', KEYS[1], id)
redis.call('SET', KEYS[4], string.format('%.0f', nowMs()))
return { 1, removed }
`);
