import type { StockedBlock } from '#libs/contracts';

/** Past blocks that one call takes off the lists at most: a script must not hold the server for long; the next one goes on. */
const pastBlocksMax = 2048;

/**
 * Shared head of the scripts that change stock lists. A list has its newest block left and its oldest right; blocks end in the order
 * in which they were stocked, or in one and the same instant, so that those whose time is past lie at the right end.
 * `countOf(blocks)`: indexes in the blocks.
 * `dropPast(list, now)`: takes the blocks whose time is past off the list, up to a limit per call of the script; gives their
 * indexes. They could only be taken in vain, and would pass for stock; time brings them back.
 * `take(list, blocksMax, indexesMax)`: takes the oldest blocks off the list, the last of them in part if it holds more than is asked
 * for: its first indexes are taken and the others go back to where it lay. Each index has one taker only (invariant 2). Gives the
 * blocks and the number of their indexes.
 */
export const stockListsLua = `
local pastLeft = ${pastBlocksMax}
local function countOf(blocks)
  local count = 0
  for _, block in ipairs(blocks) do count = count + cjson.decode(block).${field('count')} end
  return count
end
local function dropPast(list, now)
  local dropped = 0
  while pastLeft > 0 do
    local oldest = redis.call('LINDEX', list, -1)
    if not oldest or cjson.decode(oldest).${field('issueUntilMs')} > now then break end
    dropped = dropped + countOf({ redis.call('RPOP', list) })
    pastLeft = pastLeft - 1
  end
  return dropped
end
local function split(list, block, spare)
  local given, skip = block.${field('count')} - spare, block.${field('skip')} or 0
  block.${field('count')}, block.${field('skip')} = spare, skip + given
  redis.call('RPUSH', list, cjson.encode(block))
  block.${field('count')}, block.${field('skip')} = given, skip
  return cjson.encode(block)
end
local function take(list, blocksMax, indexesMax)
  local blocks, count = {}, 0
  while #blocks < blocksMax and count < indexesMax do
    local text = redis.call('RPOP', list)
    if not text then break end
    local block = cjson.decode(text)
    local spare = count + block.${field('count')} - indexesMax
    if spare > 0 then text = split(list, block, spare) end
    blocks[#blocks + 1] = text
    count = count + block.${field('count')}
  end
  return blocks, count
end
`;

/** The name of a block's field, which Lua reads from its JSON. */
function field(name: keyof StockedBlock): string {
  return name;
}
