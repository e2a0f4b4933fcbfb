import { luaScript } from './lua-script.ts';
import { stockListsLua } from './stock-lists.lua.ts';
import { storeIdentityLua } from './store-identity.lua.ts';

/**
 * One visit of a gateway: adds its figures of an ended period to the tally of all gateways, takes the oldest indexes from several stock
 * lists, each index for one taker only (invariant 2), and tells what the pools have on their lists and what all gateways together
 * tallied a period earlier, unless the stock was built on another server or has lost its stamp (invariant 10). Costs in the number
 * of pools that are named, not in the number of gateways.
 *
 * A gateway that gives figures counts what it takes as in hand, and leaves what it sees on the lists: so hands and lists of a tally
 * belong to one moment, the last visit of its period, and every gateway reads the same.
 *
 *   KEYS[1] stamp
 *   KEYS[2] hash of pool id → indexes on its list
 *   KEYS[3…] stock list of each pool asked for, the wanted pools first
 *   ARGV[1] prefix of the tallies
 *   ARGV[2] milliseconds of a tally's period
 *   ARGV[3] milliseconds for which a tally lives
 *   ARGV[4] period of the figures, −1 without figures
 *   ARGV[5] number of wanted pools
 *   ARGV[6…] pool id of each list, in the order of the lists
 *   ARGV[6 + lists…] two for each wanted pool: most blocks to take, most indexes to take
 *   ARGV[6 + lists + 2 × wanted…] figures, three per pool: pool id, shakes, indexes in hand
 *   Output  {1, store time ms, {{blocks…} of each wanted pool…}, {indexes listed of each pool…}, period of the totals,
 *            gateways in them (0 = there are none), {shakes, indexes in hand, indexes listed of each pool…}} done
 *           {0, store time ms} the store has changed: nothing was done
 */
export const exchangeStockScript = luaScript(`${storeIdentityLua}${stockListsLua}
local now = nowMs()
local stamp = redis.call('GET', KEYS[1])
if not stamp or stamp ~= runId() then return { 0, now } end

local pools, wanted = #KEYS - 2, tonumber(ARGV[5])
local period = tonumber(ARGV[4])
local tally = ARGV[1] .. ARGV[4]
local totalsPeriod = math.floor(now / tonumber(ARGV[2])) - 2

if period >= 0 then
  totalsPeriod = period - 1
  redis.call('HINCRBY', tally, 'gateways', 1)
  for arg = 6 + pools + 2 * wanted, #ARGV, 3 do
    redis.call('HINCRBY', tally, 'shakes:' .. ARGV[arg], ARGV[arg + 1])
    redis.call('HINCRBY', tally, 'left:' .. ARGV[arg], ARGV[arg + 2])
  end
  redis.call('PEXPIRE', tally, ARGV[3])
end

local totalsTally = ARGV[1] .. string.format('%.0f', totalsPeriod)
local gateways = tonumber(redis.call('HGET', totalsTally, 'gateways') or 0)
local taken, listed, totals = {}, {}, {}
for at = 1, pools do
  local list, pool = KEYS[2 + at], ARGV[5 + at]
  local gone = dropPast(list, now)
  if at <= wanted then
    local most, count = 4 + pools + 2 * at, 0
    taken[at], count = take(list, tonumber(ARGV[most]), tonumber(ARGV[most + 1]))
    gone = gone + count
    if period >= 0 and count > 0 then redis.call('HINCRBY', tally, 'left:' .. pool, count) end
  end
  if gone > 0 then
    listed[at] = redis.call('HINCRBY', KEYS[2], pool, -gone)
  else
    listed[at] = tonumber(redis.call('HGET', KEYS[2], pool) or 0)
  end
  if period >= 0 then redis.call('HSET', tally, 'listed:' .. pool, listed[at]) end
  if gateways > 0 then
    local sums = redis.call('HMGET', totalsTally, 'shakes:' .. pool, 'left:' .. pool, 'listed:' .. pool)
    for sum = 1, 3 do totals[3 * (at - 1) + sum] = tonumber(sums[sum] or 0) end
  end
end
return { 1, now, taken, listed, totalsPeriod, gateways, totals }
`);
