import { luaScript } from './lua-script.ts';

/**
 * Replaces the degradation document by a newer one and tells everybody; an older or equal version changes nothing.
 *
 *   KEYS[1] hash of version and document
 *   ARGV[1] version
 *   ARGV[2] document (JSON)
 *   ARGV[3] channel on which the document is told
 *   Output  {1} written
 *           {0, version there} stale: nothing was done
 */
export const writeDegradationScript = luaScript(`
local version = tonumber(redis.call('HGET', KEYS[1], 'version'))
if version and version >= tonumber(ARGV[1]) then return { 0, version } end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'document', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[2])
return { 1 }
`);
