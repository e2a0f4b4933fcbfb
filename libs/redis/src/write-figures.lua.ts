import { luaScript } from './lua-script.ts';

/**
 * Writes the figures of one gateway, which are for display: one command a second, however many pools there are.
 *
 *   KEYS[1] hash of pool id → packets issued
 *   KEYS[2] latest sample of the gateway
 *   KEYS[3] set of the gateway ids that have (had) a sample
 *   ARGV[1] gateway id
 *   ARGV[2] sample (JSON)
 *   ARGV[3] milliseconds after which the sample is gone
 *   ARGV[4…] pairs: pool id, packets issued since the last call
 */
export const writeFiguresScript = luaScript(`
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[3], ARGV[1])
for arg = 4, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[arg], ARGV[arg + 1])
end
return 1
`);
