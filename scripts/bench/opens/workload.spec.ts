import { expect, test } from 'vitest';
import { fullMask, laneOfBlock, packetRefOf } from '#libs/domain';
import { makeWorkload, overLimitShare, packetsNeeded, repeatShare, type TakenBlock, userNameOf } from './workload.ts';

const lanes = 4;
const userCount = 4000;
const users = Array.from({ length: userCount }, (_, at) => at + 7);
const mask = Buffer.from(fullMask(64)).toString('base64url');
const blocksOf = (sponsorNo: number, packets: number): TakenBlock[] =>
  Array.from({ length: Math.ceil((packets * 1.2) / 64) + lanes }, (_, blockNo) => {
    return { poolId: sponsorNo + 1, sponsorNo, blockNo, epoch: 3, mask, skip: 0 };
  });
const { each, last } = packetsNeeded(userCount);
const blocks = [0, 1, 2].flatMap((no) => blocksOf(no, each)).concat(blocksOf(3, last));
const shape = { blocks, lanes, users, seed: 5 };

test('everybody has one ticket of each of three sponsors, in three lanes, and nobody has a packet of another', () => {
  const { tickets } = makeWorkload(shape);
  expect(new Set(tickets.map(({ packetId }) => packetId)).size).toBe(tickets.length);
  for (let user = 0; user < userCount; user++) {
    const own = tickets.slice(3 * user, 3 * user + 3);
    expect(own.map((ticket) => [ticket.user, ticket.sponsorNo])).toEqual([0, 1, 2].map((no) => [user, no]));
    const lanesOf = own.map(({ packetId }) => {
      const { poolId, blockNo } = packetRefOf(packetId);
      return laneOfBlock(poolId, blockNo, lanes);
    });
    expect(new Set(lanesOf).size).toBe(3);
  }
});

test('1 % of the opens go over a limit, half of them at a sponsor whom the user has; 5 % are repeats, half of them late', () => {
  const { tickets, opens, isLateRepeat } = makeWorkload(shape);
  const over = tickets.slice(3 * userCount);
  expect(over.length / opens.length).toBeCloseTo(overLimitShare, 3);
  expect(over.filter(({ sponsorNo }) => sponsorNo === 3).length / over.length).toBeCloseTo(0.5, 1);
  expect((opens.length - tickets.length) / opens.length).toBeCloseTo(repeatShare, 3);
  expect(new Set(opens)).toEqual(new Set(tickets.keys()));
  const late = isLateRepeat.reduce((sum, one) => sum + one, 0);
  expect(late / (opens.length - tickets.length)).toBeGreaterThan(0.4);
  expect(late / (opens.length - tickets.length)).toBeLessThan(0.6);
});

test('a late repeat is never the first open of its ticket', () => {
  const { opens, isLateRepeat } = makeWorkload(shape);
  const seen = new Set<number>();
  for (const [at, ticket] of opens.entries()) {
    if (isLateRepeat[at] === 1) expect(seen.has(ticket)).toBe(true);
    seen.add(ticket);
  }
});

test('the same seed gives the same workload, so that who checks the answers need not be who sent the opens', () => {
  expect(makeWorkload(shape)).toEqual(makeWorkload(shape));
  expect(makeWorkload({ ...shape, seed: 6 }).opens).not.toEqual(makeWorkload(shape).opens);
});

test('indexes that went to others are left out, and too few packets are said', () => {
  const few = {
    ...shape,
    users: [1],
    blocks: [0, 1, 2, 3].map((sponsorNo) => ({ ...blocks[0]!, sponsorNo, skip: 62 })),
  };
  const { tickets } = makeWorkload({ ...few, lanes: 1 });
  expect(tickets.map(({ packetId }) => packetRefOf(packetId).index)).toEqual([62, 62, 62, 63]);
  expect(() => makeWorkload({ ...few, users: [1, 2, 3], lanes: 1 })).toThrow('sponsor 0 has too few packets');
});

test('names are spread and different', () => {
  expect(new Set(users.map(userNameOf)).size).toBe(userCount);
  expect(userNameOf(1)).toMatch(/^[0-9a-f]{16}$/);
});
