import { luaScript } from './lua-script.ts';

/**
 * As write-degradation, for the holder of the lease alone: one that was stopped, and whose lease went to another, writes nothing
 * however late its command comes.
 *
 *   KEYS[1] hash of version and document
 *   KEYS[2] id of the holder of the lease
 *   ARGV[1] version
 *   ARGV[2] document (JSON)
 *   ARGV[3] channel on which the document is told
 *   ARGV[4] who writes
 *   Output  {1} written
 *           {0, version there} stale: nothing was done
 *           {-1} not the holder: nothing was done
 */
export const writeDegradationAsLeaderScript = luaScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[4] then return { -1 } end
local version = tonumber(redis.call('HGET', KEYS[1], 'version'))
if version and version >= tonumber(ARGV[1]) then return { 0, version } end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'document', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[2])
return { 1 }
`);
