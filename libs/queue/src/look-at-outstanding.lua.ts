import { luaScript } from '#libs/redis';

/**
 * The oldest acceptance on its way in a lane, and when that was so.
 *
 *   KEYS[1] outstanding index
 *   Output  {store-clock ms, score of the oldest entry or nothing}
 */
export const lookAtOutstandingScript = luaScript(`
local time = redis.call('TIME')
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { time[1] * 1000 + math.floor(time[2] / 1000), oldest[2] }
`);
