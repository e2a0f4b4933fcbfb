import { beforeEach, describe, expect, it } from 'vitest';
import type { ShakeAnswer } from '#libs/contracts';
import { signShakeState, startOffsetMs, verifyClaim, verifyShakeState } from '#libs/domain';
import { ShakeLab, testSession } from '../testing/shake-lab.ts';
import { poolIdOf, testBlock, testEvent, testRing } from '../testing/test-event.ts';

const startsAtMs = 1_800_000_000_000;
const nowMs = startsAtMs + 60_000;
const event = testEvent({ startsAtMs, shakeIntervalMs: 1000 });
const blockOf = (sponsorNo: number, size = 256, eventId = 1) =>
  testBlock(poolIdOf(eventId, sponsorNo), { size, issueUntilMs: nowMs + 600_000 });

type Hit = Extract<ShakeAnswer, { result: 'hit' }>;

function assertHit(answer: ShakeAnswer): asserts answer is Hit {
  expect(answer.result).toBe('hit');
}

describe('a shake', () => {
  let lab: ShakeLab;
  beforeEach(async () => {
    lab = await ShakeLab.of(nowMs, event);
  });

  it('without stock is a miss that says when to come again', () => {
    const answer = lab.shake(testSession('alice'));
    expect(answer).toEqual({ result: 'miss', nextShakeMs: expect.any(Number) });
    expect(lab.counters.results.miss).toBe(1);
  });

  it('of a lone user wins at once when there is stock, with a ticket and a state that verify', () => {
    lab.stock(blockOf(0, 1));
    const hit = lab.shake(testSession('alice'));
    assertHit(hit);
    expect(hit.sponsor).toEqual({ id: 'sponsor-0', name: 'Sponsor 0' });
    const ticket = verifyClaim(testRing, 'ticket', hit.ticket)!;
    expect(ticket).toMatchObject({ eventId: 1, userId: 'alice', epoch: 1, sponsorNo: 0 });
    expect(ticket.atMs).toBe(Date.parse(hit.expiresAt));
    expect(ticket.atMs - lab.nowMs).toBe(event.ticketTtlMs);
    expect(String(ticket.packetId)).toBe(hit.packetId);
    expect(verifyShakeState(testRing, 1, 'alice', hit.state)!.wins).toEqual([
      { packetId: ticket.packetId, sponsorNo: 0, expiresAtMs: ticket.atMs },
    ]);
    expect([...lab.counters.takeIssued()]).toEqual([[poolIdOf(1, 0), 1]]);
  });

  it('repeated in the same slot meets the same ticket, over any session of the user, and wins no second one', () => {
    lab.stock(blockOf(0), blockOf(1), blockOf(2));
    const hit = lab.shakeOn(testSession('alice'), 5);
    assertHit(hit);
    expect(lab.shake(testSession('alice'))).toEqual(hit);
    expect(lab.shake(testSession('alice'), 1, hit.state)).toEqual(hit);
    expect(lab.counters.takeIssued().size).toBe(1);
  });

  it('wins one packet of each sponsor at most, and then is at the limit, with and without the state', () => {
    lab.stock(blockOf(0), blockOf(1), blockOf(2));
    const alice = testSession('alice');
    const sponsors = [0, 1, 2].map(() => {
      const hit = lab.shakeOn(alice, 50);
      assertHit(hit);
      lab.pass(1500);
      return hit.sponsor.id;
    });
    expect(new Set(sponsors).size).toBe(3);
    expect(lab.shake(alice)).toEqual({ result: 'limit' });
  });

  it('counts the wins of a client state that another gateway signed', () => {
    lab.stock(blockOf(0), blockOf(1), blockOf(2));
    const win = (packetId: bigint, sponsorNo: number, expiresAtMs = nowMs + 30_000) => ({
      packetId,
      sponsorNo,
      expiresAtMs,
    });
    const stateOf = (...wins: ReturnType<typeof win>[]) =>
      signShakeState(testRing, { eventId: 1, userId: 'alice', wins });
    const both = `${stateOf(win(1n, 0))},${stateOf(win(2n, 1))}`;
    const hit = lab.shakeOn(testSession('alice'), 50, both);
    assertHit(hit);
    expect(hit.sponsor.id).toBe('sponsor-2');
    const full = stateOf(win(1n, 0), win(2n, 1, 0), win(3n, 2));
    expect(lab.shake(testSession('alice2'), 1, full).result).not.toBe('limit');
    lab.pass(2000);
    expect(lab.shake(testSession('alice'), 1, full)).toEqual({ result: 'limit' });
  });

  it('is open again when unopened tickets are past, but not for packets that were opened', () => {
    lab.stock(blockOf(0), blockOf(1), blockOf(2));
    const wins = [0, 1, 2].map((sponsorNo) => ({
      packetId: BigInt(sponsorNo + 1),
      sponsorNo,
      expiresAtMs: nowMs + 30_000,
    }));
    const state = signShakeState(testRing, { eventId: 1, userId: 'alice', wins });
    const opened = signShakeState(testRing, {
      eventId: 1,
      userId: 'bob',
      wins: wins.map((win) => ({ ...win, expiresAtMs: 0 })),
    });
    const [alice, bob] = [testSession('alice'), testSession('bob')];
    expect([lab.shake(alice, 1, state).result, lab.shake(bob, 1, opened).result]).toEqual(['limit', 'limit']);
    lab.pass(31_000);
    expect(lab.shakeOn(alice, 50, state).result).toBe('hit');
    expect(lab.shake(bob, 1, opened).result).toBe('limit');
  });

  it('treats a foreign, garbled or old state as none', () => {
    lab.stock(blockOf(0));
    const wins = [0, 1, 2].map((sponsorNo) => ({ packetId: BigInt(sponsorNo + 1), sponsorNo, expiresAtMs: 0 }));
    const foreign = signShakeState(testRing, { eventId: 1, userId: 'bob', wins });
    const otherEvent = signShakeState(testRing, { eventId: 2, userId: 'alice', wins });
    for (const state of [foreign, otherEvent, 'garbled', '', ',,,', 'x'.repeat(20_000)])
      expect(lab.shake(testSession('alice'), 1, state).result).not.toBe('limit');
  });

  it('is over from the end on, and when the event was closed', async () => {
    lab.nowMs = event.endsAtMs;
    expect(lab.shake(testSession('alice'))).toEqual({ result: 'over' });
    const closed = await ShakeLab.of(nowMs, { ...event, state: 'closed' });
    expect(closed.shake(testSession('alice'))).toEqual({ result: 'over' });
  });

  it("has not started before the user's own start, and says how long that is", async () => {
    const staggered = testEvent({ startsAtMs, staggerMs: 5000, state: 'armed' });
    const early = await ShakeLab.of(startsAtMs - 1000, staggered);
    const alice = testSession('alice');
    const offsetMs = startOffsetMs(1, alice.user, 5000);
    expect(early.shake(alice)).toEqual({ result: 'not_started', startsInMs: 1000 + offsetMs });
    early.nowMs = startsAtMs + offsetMs - 1;
    expect(early.shake(alice)).toEqual({ result: 'not_started', startsInMs: 1 });
    early.nowMs = startsAtMs + offsetMs;
    expect(early.shake(alice).result).toBe('miss');
  });

  it('issues nothing without a fresh clock, and still answers', () => {
    lab.stock(blockOf(0), blockOf(1), blockOf(2));
    lab.isClockFresh = false;
    const alice = testSession('alice');
    for (let i = 0; i < 20; i++) expect(['miss', 'rest', 'not_started']).toContain(lab.shake(alice).result);
    expect(lab.counters.takeIssued().size).toBe(0);
  });

  it('wins nothing from the stock of another event', async () => {
    const two = await ShakeLab.of(nowMs, event, testEvent({ id: 2, startsAtMs }));
    two.stock(blockOf(0, 256, 2), blockOf(1, 256, 2));
    const alice = testSession('alice');
    for (let i = 0; i < 10; i++) {
      expect(two.shake(alice, 1).result).toBe('miss');
      two.pass(1000);
    }
    expect(two.counters.takeIssued().size).toBe(0);
  });
});

describe('the pace of shakes', () => {
  let lab: ShakeLab;
  beforeEach(async () => {
    lab = await ShakeLab.of(nowMs, event);
  });

  it('gives rest to who keeps coming early, cuts the connection, and forgives who slows down', () => {
    const alice = testSession('alice');
    const verdicts = Array.from({ length: 30 }, () => {
      lab.nowMs += 1;
      return lab.verdict(alice);
    });
    expect(verdicts.findIndex(({ isCutOff }) => isCutOff)).toBe(21);
    expect(verdicts.slice(21).every(({ isCutOff }) => isCutOff)).toBe(true);
    const rest = JSON.parse(verdicts.at(-1)!.answer.body);
    expect(rest).toMatchObject({ result: 'rest', message: expect.any(String) });
    expect(rest.nextShakeMs).toBeGreaterThanOrEqual(3000);
    lab.pass(rest.nextShakeMs);
    expect(lab.verdict(alice)).toMatchObject({ isCutOff: false });
  });

  it('gives rest to all when shakes are off, and to half of the users, the same for a minute, when they are paced', () => {
    const users = Array.from({ length: 400 }, (_, i) => testSession(`user-${i}`));
    const resting = () => users.filter((user) => lab.shake(user).result === 'rest').map((user) => user.userId);
    expect(resting()).toHaveLength(0);
    lab.mode = 'paced';
    lab.pass(1000);
    const first = resting();
    expect(first.length).toBeGreaterThan(150);
    expect(first.length).toBeLessThan(250);
    lab.pass(2000);
    expect(resting()).toEqual(first);
    lab.pass(60_000);
    expect(resting()).not.toEqual(first);
    lab.mode = 'off';
    lab.pass(1000);
    expect(resting()).toHaveLength(400);
  });

  it('stretches intervals, to ten seconds at most, when shakes are paced', () => {
    const waits = (name: string) =>
      Array.from(
        { length: 400 },
        (_, i) => (lab.shake(testSession(`${name}-${i}`)) as { nextShakeMs: number }).nextShakeMs,
      );
    const meanOf = (list: number[]) => list.reduce((sum, wait) => sum + wait, 0) / list.length;
    const unpaced = waits('a');
    expect(Math.max(...unpaced)).toBeLessThan(1700);
    lab.mode = 'paced';
    lab.pass(100);
    const paced = waits('b');
    // a user is met at any time between two turns: four times the interval is halved, and gaps differ
    expect(meanOf(paced) / meanOf(unpaced)).toBeGreaterThan(2);
    expect(Math.max(...paced)).toBeLessThanOrEqual(10_000);
  });

  it('draws a user once in a turn: the luck of a miss is not tried again when the chance has risen', () => {
    const users = Array.from({ length: 50 }, (_, i) => testSession(`user-${i}`));
    expect(users.map((user) => lab.shake(user).result)).not.toContain('hit');
    lab.stock(blockOf(0), blockOf(1), blockOf(2));
    lab.nowMs += 1;
    const again = users.map((user) => lab.shake(user).result);
    // those whose slot ended in this millisecond at most
    expect(again.filter((result) => result === 'hit').length).toBeLessThan(3);
    expect(lab.counters.takeIssued().size).toBeLessThan(3);
  });

  it('repeats a hit as long as its turn lasts, also when the pace changes in the meantime', () => {
    lab.stock(blockOf(0), blockOf(1), blockOf(2));
    const hit = lab.shakeOn(testSession('alice'), 5);
    assertHit(hit);
    lab.mode = 'paced';
    lab.events.tick();
    for (let i = 0; i < 20; i++) {
      const again = lab.shake(testSession('alice'), 1, hit.state);
      if (again.result !== 'rest') expect(again).toEqual(hit);
    }
  });

  it('counts one user in one slot once, however often it comes', () => {
    const alice = testSession('alice');
    for (let i = 0; i < 15; i++) lab.shake(alice);
    lab.pass(100);
    expect(lab.events.find('1')!.rate.perSecond).toBe(1);
  });
});
