import { luaScript } from './lua-script.ts';
import { storeIdentityLua } from './store-identity.lua.ts';

/**
 * Says which server this is, for which one the stock was built, and since when. A stamp whose time is missing, garbled or to come was set
 * now, as far as anybody can tell: later than in truth, never earlier. That is written down, so that whoever waits from then on waits once.
 *
 *   KEYS[1] stamp
 *   KEYS[2] time of the stamp, ms
 *   Output  {run id, stamp or false, store time ms, time of the stamp ms, or false when it is not this server's}
 */
export const readStoreScript = luaScript(`${storeIdentityLua}
local id, stamp, now = runId(), redis.call('GET', KEYS[1]), nowMs()
if stamp ~= id then return { id, stamp, now, false } end
local at = tonumber(redis.call('GET', KEYS[2]))
if not at or not (at >= 0 and at <= now) then
  at = now
  redis.call('SET', KEYS[2], string.format('%.0f', now))
end
return { id, stamp, now, at }
`);
