import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addedTo, ledgerFigures } from './support/hostile-ledger.ts';
import { openScene } from './support/hostile-scene.ts';
import { decided, type HostileStage, portionCount, sponsorCount } from './support/hostile-stage.ts';
import { until } from './support/http.ts';

/* What crowds of hostile clients try, against two gateways and everything behind them. */

let stage: HostileStage;
let eventId: string;
let shareToken: string;

beforeAll(async () => {
  ({ stage, eventId, shareToken } = await openScene());
});
afterAll(() => stage?.stop());

const untouched = (work: () => Promise<void>) => stage.untouched(eventId, work);

/** Proves invariants 1, 5 and 7 where everything comes at once, on both gateways. */
describe('crowds', () => {
  it('of two devices of one user get what one would get, and are told the same', async () => {
    const devices = [stage.session('twin'), stage.session('twin')];
    expect(devices[0]).not.toBe(devices[1]);
    const sponsorNos = [0, 1, 2, 0, 1, 2, 0, 1, 2];
    const tickets: string[] = [];
    for (const sponsorNo of sponsorNos) tickets.push(await stage.ticket(eventId, 'twin', sponsorNo));
    const answers = await Promise.all(
      tickets.map((text) => Promise.all(devices.map((device) => stage.opened(text, device)))),
    );
    for (const [first, second] of answers)
      expect([second!.status, second!.body.amountFen]).toEqual([first!.status, first!.body.amountFen]);
    const credited = answers.map(([first]) => first!).filter(({ status }) => status === 200);
    expect(credited).toHaveLength(3);
    expect(new Set(credited.map(({ body }) => body.sponsor.id)).size).toBe(sponsorCount);
    const wallet = await until(
      'the wallet',
      () => stage.call('GET', '/v1/me/wallet', devices[1]!),
      ({ body }) => body.balanceFen > 0,
    );
    expect(wallet.body.balanceFen).toBe(credited.reduce((sum, { body }) => sum + body.amountFen, 0));
    await stage.balanced(eventId);
  });

  it('of a thousand opens of one ticket get one credit, and a thousand like answers', async () => {
    const text = await stage.ticket(eventId, 'frank');
    const before = await ledgerFigures(stage.db.pool);
    const frank = stage.session('frank');
    const answers = await Promise.all(Array.from({ length: 1000 }, () => stage.opened(text, frank)));
    const [first] = answers;
    expect(first).toMatchObject({ status: 200, body: { status: 'credited' } });
    const unlike = answers.filter(({ status, body }) => status !== 200 || body.amountFen !== first!.body.amountFen);
    expect(unlike).toEqual([]);
    const after = await ledgerFigures(stage.db.pool);
    expect(addedTo(before.grants, after.grants)).toEqual([1, first!.body.amountFen]);
    expect(addedTo(before.transfers['transfer grant']!, after.transfers['transfer grant']!)).toEqual([
      1,
      first!.body.amountFen,
    ]);
    await stage.balanced(eventId);
  });

  it('of a thousand friends at one share get its portions, each once, and not a fen more', async () => {
    const before = await ledgerFigures(stage.db.pool);
    const friends = Array.from({ length: 1000 }, (_, no) => stage.session(`friend-${no}`));
    const answers = await Promise.all(friends.map((friend) => decided(() => stage.grab(shareToken, friend))));
    const credited = answers.filter(({ body }) => body.status === 'credited');
    expect(answers.filter(({ body }) => body.status === 'empty')).toHaveLength(1000 - portionCount);
    expect(credited.map(({ body }) => body.portion).sort()).toEqual(
      Array.from({ length: portionCount }, (_, no) => no + 1),
    );
    const sumFen = credited.reduce((sum, { body }) => sum + body.amountFen, 0);
    const after = await ledgerFigures(stage.db.pool);
    // the plan gives each packet 10 fen a portion, and the share is used up
    expect([sumFen, ...addedTo(before.grabs, after.grabs)]).toEqual([
      10 * portionCount,
      portionCount,
      10 * portionCount,
    ]);
    await untouched(async () => {
      const again = await Promise.all(
        friends.slice(0, 100).map((friend) => decided(() => stage.grab(shareToken, friend))),
      );
      expect(again.map(({ body }) => body)).toEqual(answers.slice(0, 100).map(({ body }) => body));
    });
  });
});
