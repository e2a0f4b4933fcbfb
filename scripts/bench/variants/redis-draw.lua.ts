import { luaScript } from '#libs/redis';

/**
 * One shake as most systems decide it: is the user under the limit, does it win, and then take one from the stock and note the user.
 *
 *   KEYS[1] packets left
 *   KEYS[2] hash of user → packets won
 *   KEYS[3] chance of this moment
 *   ARGV[1] user
 *   ARGV[2] most packets of a user
 *   ARGV[3] luck in [0, 1)
 *   Output  number of the packet won, −1 a miss, −2 over the limit
 */
export const redisDrawScript = luaScript(`
if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0) >= tonumber(ARGV[2]) then return -2 end
if tonumber(ARGV[3]) >= tonumber(redis.call('GET', KEYS[3]) or 0) then return -1 end
local left = redis.call('DECR', KEYS[1])
if left < 0 then
  redis.call('INCR', KEYS[1])
  return -1
end
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
return left
`);
