// Each feature that the gateway answers yields at its tiers and by its switch as the catalogue says, and returns: over REST, told through Redis.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DegradationState } from '#libs/contracts';
import { type FeatureKey, featureKeys, featureOf, withFeature, withTier } from '#libs/degradation';
import { packetIdOf, type Tier } from '#libs/domain';
import { writeDegradation } from '#libs/redis';
import { type Answer, GatewayRig, until } from './testing/gateway-rig.ts';
import { sendJson } from './testing/scripted-service.ts';
import { poolIdOf, signed, testEvent } from './testing/test-event.ts';

let rig: GatewayRig;
let alice: string;
let document: DegradationState;

beforeAll(async () => {
  rig = await GatewayRig.start({ OPEN_REPLY_WAIT_MS: '5000', OPEN_ACCEPT_MAX_MS: '5000' });
  await rig.publish(testEvent({ shakeIntervalMs: 1000 }));
  rig.consume([0, 1], async (items) => items.map(() => ({ outcome: 'credited', amountFen: 88 })));
  alice = await rig.session('alice');
  document = rig.parts.degradation.state();
});
afterAll(() => rig.stop());
beforeEach(() => {
  rig.allocation.seen.length = 0;
  rig.share.seen.length = 0;
});
afterEach(async () => {
  await tell({ ...document, mode: 'auto', features: {}, version: document.version + 1 });
  rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'open' }));
  rig.share.answer((_request, response) => sendJson(response, 200, {}));
});

/** As operations does it: written to Redis and pushed. Resolves when the gateway goes by it. */
async function tell(next: DegradationState): Promise<void> {
  document = next;
  await writeDegradation(rig.client, document);
  await until(
    'the document',
    () => rig.parts.degradation.state().version,
    (version) => version === document.version,
  );
}
const tier = (value: Tier) => tell(withTier(document, { mode: 'pinned', tier: value }, 1));
const turn = (key: FeatureKey, state: 'on' | 'off' | 'auto') => tell(withFeature(document, key, { state }, 1));
/** The last tier at which the feature is as ever. */
const lastFullTier = (key: FeatureKey) => (featureOf(key).steps[0]!.tier - 1) as Tier;
const stepTier = (key: FeatureKey, mode: string): Tier => featureOf(key).steps.find((step) => step.mode === mode)!.tier;

let packets = 0;
const freshPacketId = (): bigint => packetIdOf({ poolId: poolIdOf(1, 0), blockNo: ++packets, index: 0 });
const open = (ticket: string): Promise<Answer> =>
  rig.call('POST', '/v1/packets/open', { token: alice, body: { ticket } });
const expectOff = (answer: Answer): void => {
  expect([answer.status, answer.body.code]).toEqual([503, 'feature_off']);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
};

describe('opens', () => {
  it('are credited at every tier', async () => {
    for (const value of [0, 1, 2, 3, 4, 5] as const) {
      await tier(value);
      const answer = await open(signed('ticket', { packetId: freshPacketId() }));
      expect([value, answer.status, answer.body.status]).toEqual([value, 200, 'credited']);
    }
  });

  it('stop by the switch alone, and the same ticket is good afterwards', async () => {
    const ticket = signed('ticket', { packetId: freshPacketId() });
    await turn('opens', 'off');
    expectOff(await open(ticket));
    await turn('opens', 'auto');
    expect((await open(ticket)).body.status).toBe('credited');
  });
});

describe('shakes', () => {
  const sessions = async (prefix: string) =>
    await Promise.all(Array.from({ length: 40 }, (_, no) => rig.session(`${prefix}-${no}`)));
  const shakeAll = async (tokens: readonly string[]) =>
    await Promise.all(tokens.map(async (token) => (await rig.shake(1, token)).body));
  const meanNextMs = (answers: readonly { readonly nextShakeMs: number }[]) =>
    answers.reduce((sum, { nextShakeMs }) => sum + nextShakeMs, 0) / answers.length;

  it('of half of the users rest at tier 4, the turns of the others come more seldom; both return', async () => {
    const full = await shakeAll(await sessions('full'));
    expect(full.map(({ result }) => result)).toEqual(full.map(() => 'miss'));
    const tokens = await sessions('paced');
    await tier(stepTier('shakes', 'paced'));
    // turns are stretched with the next tick
    await until(
      'the stretch',
      () => rig.parts.shakeEvents.find('1')!.turns.currentStretch,
      (stretch) => stretch > 1,
    );
    const paced = await shakeAll(tokens);
    const drawn = paced.filter(({ result }) => result === 'miss');
    expect(paced.length - drawn.length).toBe(paced.filter(({ result }) => result === 'rest').length);
    expect(drawn.length).toBeGreaterThan(5);
    expect(drawn.length).toBeLessThan(35);
    expect(meanNextMs(drawn)).toBeGreaterThan(2 * meanNextMs(full));
    expect(Math.max(...paced.map(({ nextShakeMs }) => nextShakeMs))).toBeLessThanOrEqual(15_000);
    await tier(lastFullTier('shakes'));
    const again = await shakeAll(await sessions('again'));
    expect(again.map(({ result }) => result)).toEqual(again.map(() => 'miss'));
  });

  it('all rest at tier 5 and by the switch, with the time to come again, and return', async () => {
    for (const yielding of [() => tier(stepTier('shakes', 'off')), () => turn('shakes', 'off')]) {
      const tokens = await sessions(`resting-${document.version}`);
      await yielding();
      const resting = await shakeAll(tokens);
      expect(resting.map(({ result }) => result)).toEqual(resting.map(() => 'rest'));
      expect(Math.min(...resting.map(({ nextShakeMs }) => nextShakeMs))).toBeGreaterThan(0);
      await tier(0);
      await turn('shakes', 'auto');
      const back = await shakeAll(await sessions(`back-${document.version}`));
      expect(back.map(({ result }) => result)).toEqual(back.map(() => 'miss'));
    }
  });

  it('are drawn at tier 5 when an operator switches them on', async () => {
    const tokens = await sessions('drawn');
    await tier(5);
    await turn('shakes', 'on');
    const drawn = await shakeAll(tokens);
    expect(drawn.map(({ result }) => result)).toEqual(drawn.map(() => 'miss'));
  });
});

describe('status', () => {
  const ask = (packetId: bigint, receipt?: string) =>
    rig.call('GET', `/v1/packets/${packetId}${receipt === undefined ? '' : `?receipt=${receipt}`}`, { token: alice });

  it('is asked for a third as often from tier 2 on', async () => {
    const packetId = freshPacketId();
    const receipt = signed('receipt', { packetId, atMs: Date.now() });
    const pollAfterMs = async () => (await ask(packetId, receipt)).body.pollAfterMs as number;
    const fullMs = await pollAfterMs();
    await tier(stepTier('status', 'paced'));
    // both are jittered by up to a half
    expect(await pollAfterMs()).toBeGreaterThanOrEqual((fullMs / 1.5) * 3);
    await tier(lastFullTier('status'));
    expect(await pollAfterMs()).toBeLessThanOrEqual(fullMs * 1.5);
  });

  it('comes from the receipt at tier 5 and by the switch, without asking anybody, and returns', async () => {
    const packetId = freshPacketId();
    const receipt = signed('receipt', { packetId, atMs: Date.now() });
    for (const yielding of [() => tier(stepTier('status', 'off')), () => turn('status', 'off')]) {
      await yielding();
      rig.allocation.seen.length = 0;
      const pending = await ask(packetId, receipt);
      expect([pending.status, pending.body.status, pending.body.receipt]).toEqual([202, 'pending', receipt]);
      expectOff(await ask(packetId));
      expect(rig.allocation.seen).toEqual([]);
      await tier(0);
      await turn('status', 'auto');
      expect((await ask(packetId)).body.code).toBe('packet_unknown');
      expect(rig.allocation.seen).toHaveLength(1);
    }
  });
});

describe('guest sessions', () => {
  it('are not made at tier 4 and by the switch, those that were made stay good, and they return', async () => {
    const make = () => rig.call('POST', '/v1/sessions', { body: { userId: 'guest' } });
    await tier(lastFullTier('guest_sessions'));
    expect((await make()).status).toBe(201);
    for (const yielding of [() => tier(stepTier('guest_sessions', 'off')), () => turn('guest_sessions', 'off')]) {
      await yielding();
      expectOff(await make());
      expect((await open(signed('ticket', { packetId: freshPacketId() }))).status).toBe(200);
      await tier(0);
      await turn('guest_sessions', 'auto');
      expect((await make()).status).toBe(201);
    }
  });
});

describe.each([
  ['wallet', '/v1/me/wallet'],
  ['history', '/v1/me/packets'],
] as const)('%s', (key, path) => {
  const ask = () => rig.call('GET', path, { token: alice });
  /** What the ledger says from now on; each answer is told apart by its time. */
  const ledgerSays = (asOf: string) =>
    rig.allocation.answer((_request, response) => sendJson(response, 200, { balanceFen: 5, packets: [], asOf }));
  const [first, second] = ['2026-02-16T12:00:00.000Z', '2026-02-16T12:00:05.000Z'];

  it('comes from the copy, with its time, at tier 2, and from the ledger again below', async () => {
    ledgerSays(first);
    expect((await ask()).body.asOf).toBe(first);
    ledgerSays(second);
    await tier(stepTier(key, 'cached'));
    rig.allocation.seen.length = 0;
    expect((await ask()).body.asOf).toBe(first);
    expect(rig.allocation.seen).toEqual([]);
    await tier(lastFullTier(key));
    expect((await ask()).body.asOf).toBe(second);
  });

  it('is refused at tier 5 and by the switch, without asking anybody, and returns', async () => {
    ledgerSays(first);
    for (const yielding of [() => tier(stepTier(key, 'off')), () => turn(key, 'off')]) {
      await yielding();
      rig.allocation.seen.length = 0;
      expectOff(await ask());
      expect(rig.allocation.seen).toEqual([]);
      await tier(0);
      await turn(key, 'auto');
      expect((await ask()).status).toBe(200);
    }
  });
});

describe('event details', () => {
  it('are left out of the event and of the list at tier 2 and by the switch, all else stays, and they return', async () => {
    const views = async () => {
      const one = (await rig.call('GET', '/v1/events/1')).body;
      const [listed] = (await rig.call('GET', '/v1/events')).body.events;
      return [one, listed];
    };
    await tier(lastFullTier('event_details'));
    const [full] = await views();
    for (const view of await views()) expect([view.sponsors.length, view.waves.length]).toEqual([3, 1]);
    for (const yielding of [() => tier(stepTier('event_details', 'off')), () => turn('event_details', 'off')]) {
      await yielding();
      for (const view of await views()) {
        expect(view).toMatchObject({ sponsors: [], waves: [], title: full.title, features: { event_details: 'off' } });
        expect([view.startsAt, view.endsAt, view.secretCommitment]).toEqual([
          full.startsAt,
          full.endsAt,
          full.secretCommitment,
        ]);
      }
      await tier(0);
      await turn('event_details', 'auto');
      for (const view of await views()) expect([view.sponsors.length, view.waves.length]).toEqual([3, 1]);
    }
  });
});

describe('share creation', () => {
  const packetId = packetIdOf({ poolId: poolIdOf(1, 0), blockNo: 999, index: 1 });
  const share = (body?: unknown) => rig.call('POST', `/v1/packets/${packetId}/share`, { token: alice, body });
  const withTicket = () => share({ ticket: signed('ticket', { packetId }) });
  const granted = {
    status: 'credited',
    packetId: String(packetId),
    eventId: '1',
    sponsorNo: 0,
    sponsor: { id: 'sponsor-0', name: 'Sponsor 0' },
    epoch: 1,
    amountFen: 66,
    portions: 3,
    atMs: 1,
  };

  it('does without the look-up at tier 5: with the ticket as ever; and returns', async () => {
    rig.allocation.answer((_request, response) => sendJson(response, 200, granted));
    await tier(lastFullTier('share_creation'));
    expect([(await withTicket()).status, (await share()).status]).toEqual([201, 201]);
    await tier(stepTier('share_creation', 'reduced'));
    rig.allocation.seen.length = 0;
    expect((await withTicket()).status).toBe(201);
    expectOff(await share());
    expect(rig.allocation.seen).toEqual([]);
    await tier(0);
    expect((await share()).status).toBe(201);
  });

  it('stops by the switch alone, and returns', async () => {
    await turn('share_creation', 'off');
    expectOff(await withTicket());
    await turn('share_creation', 'auto');
    expect((await withTicket()).status).toBe(201);
  });
});

describe('what the share service answers', () => {
  const token = signed('share', { packetId: packetIdOf({ poolId: poolIdOf(1, 0), blockNo: 7, index: 3 }) });
  const asked: Record<'grabs' | 'share_pages' | 'leaderboard' | 'feed', () => Promise<Answer>> = {
    grabs: () => rig.call('POST', `/v1/shares/${token}/grab`, { token: alice }),
    share_pages: () => rig.call('GET', `/v1/shares/${token}`),
    leaderboard: () => rig.call('GET', '/v1/events/1/leaderboard'),
    feed: () => rig.call('GET', '/v1/events/1/feed'),
  };

  it.each(Object.keys(asked) as (keyof typeof asked)[])(
    '%s are refused here once they are off, and passed on again',
    async (key) => {
      const isPassedOn = async () => {
        rig.share.seen.length = 0;
        const { status } = await asked[key]();
        expect([status, rig.share.seen.length]).toEqual([200, 1]);
      };
      const offTier = stepTier(key, 'off');
      await tier((offTier - 1) as Tier);
      await isPassedOn();
      for (const yielding of [() => tier(offTier), () => turn(key, 'off')]) {
        await yielding();
        rig.share.seen.length = 0;
        expectOff(await asked[key]());
        expect(rig.share.seen).toEqual([]);
        await tier(0);
        await turn(key, 'auto');
        await isPassedOn();
      }
    },
  );
});

describe('the event answer', () => {
  it('names the tier, and every feature as it is at that tier', async () => {
    for (const value of [0, 1, 2, 3, 4, 5, 0] as const) {
      await tier(value);
      const { tier: told, features } = (await rig.call('GET', '/v1/events/1')).body;
      const off = featureKeys.filter((key) =>
        featureOf(key).steps.some((step) => step.mode === 'off' && step.tier <= value),
      );
      expect(told).toBe(value);
      expect(featureKeys.filter((key) => features[key] === 'off')).toEqual(off);
    }
  });
});
