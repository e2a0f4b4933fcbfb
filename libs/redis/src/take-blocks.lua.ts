import { luaScript } from './lua-script.ts';
import { storeIdentityLua } from './store-identity.lua.ts';

/**
 * Takes the oldest blocks from several stock lists, each block for one taker only (invariant 2), unless the stock was built on
 * another server or has lost its stamp (invariant 10).
 *
 *   KEYS[1] stamp
 *   KEYS[2…] stock list of each pool
 *   ARGV[i] most blocks to take from KEYS[1 + i]
 *   Output  {1, store time ms, {blocks…} of each list…} taken
 *           {0, store time ms} the store has changed: nothing was taken
 */
export const takeBlocksScript = luaScript(`${storeIdentityLua}
local now = nowMs()
local stamp = redis.call('GET', KEYS[1])
if not stamp or stamp ~= runId() then return { 0, now } end
local answer = { 1, now }
for list = 1, #KEYS - 1 do
  answer[2 + list] = redis.call('RPOP', KEYS[1 + list], ARGV[list]) or {}
end
return answer
`);
