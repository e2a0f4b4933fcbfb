import { luaScript } from './lua-script.ts';
import { storeIdentityLua } from './store-identity.lua.ts';

/**
 * Says which server this is and for which one the stock was built.
 *
 *   KEYS[1] stamp
 *   Output  {run id, stamp or false, store time ms}
 */
export const readStoreScript = luaScript(`${storeIdentityLua}
return { runId(), redis.call('GET', KEYS[1]), nowMs() }
`);
