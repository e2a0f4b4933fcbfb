import { luaScript } from './lua-script.ts';

/**
 * Takes the lease of the one who sets the tier, or keeps it, and leaves there what the holder saw; others read that.
 *
 *   KEYS[1] id of the holder; expires
 *   KEYS[2] what the holder saw last (JSON); expires
 *   ARGV[1] who asks
 *   ARGV[2] milliseconds until the lease ends, if it is not kept
 *   ARGV[3] what he saw (JSON); empty: nothing
 *   Output  {1} taken: nobody held it
 *           {2} kept
 *           {0, holder, what the holder saw or nil} another one holds it: nothing was done
 */
export const holdTierLeaseScript = luaScript(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return { 0, holder, redis.call('GET', KEYS[2]) } end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if ARGV[3] ~= '' then redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2]) end
return { holder and 2 or 1 }
`);

/**
 * Gives the lease back. KEYS[1], ARGV[1] as above; KEYS[2] is deleted with it. Output 1 given back, 0 it was not his.
 */
export const releaseTierLeaseScript = luaScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
`);
