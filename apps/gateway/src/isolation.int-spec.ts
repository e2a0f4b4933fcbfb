// Nothing that the gateway depends on takes anything from the rest: while one hangs or is gone, what is asked of it is bounded and refused,
// and shakes, opens and shares are all answered. By counts, not by the clock.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { packetIdOf } from '#libs/domain';
import { type Answer, GatewayRig, until } from './testing/gateway-rig.ts';
import { type Script, sendJson } from './testing/scripted-service.ts';
import { poolIdOf, signed, testEvent } from './testing/test-event.ts';

const patientMs = 60_000;
const patience = { timeout: patientMs, interval: 50 };
const silent: Script = () => undefined;
const well: Script = (_request, response) => sendJson(response, 200, { status: 'open' });

let rig: GatewayRig;
let alice: string;

beforeAll(async () => {
  const never = '1000000';
  rig = await GatewayRig.start({
    OPEN_REPLY_WAIT_MS: '10000',
    OPEN_ACCEPT_MAX_MS: '2000',
    EARLY_SHAKES_PER_ADDRESS_PER_SECOND: never,
  });
  await rig.publish(testEvent());
  rig.consume([0, 1], async (items) => items.map(() => ({ outcome: 'credited', amountFen: 88 })));
  alice = await rig.session('alice');
});
afterAll(() => rig.stop());
afterEach(async () => {
  rig.share.answer(well);
  rig.allocation.answer(well);
});

let packets = 0;
const freshPacketId = (): bigint =>
  packetIdOf({ poolId: poolIdOf(1, 0), blockNo: ++packets % 32, index: (packets >> 5) % 256 });
const times = <T>(count: number, work: (no: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, no) => work(no)));
const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
  rig.call(method, path, { token: alice, timeoutMs: patientMs, ...(body === undefined ? {} : { body }) });
const shake = () => call('POST', '/v1/events/1/shake');
const open = () => call('POST', '/v1/packets/open', { ticket: signed('ticket', { packetId: freshPacketId() }) });
const share = () => {
  const packetId = freshPacketId();
  return call('POST', `/v1/packets/${packetId}/share`, { ticket: signed('ticket', { packetId }) });
};
const shareToken = signed('share');
const otherShareToken = signed('share', { userId: 'bob' });
const grab = (token = shareToken) => call('POST', `/v1/shares/${token}/grab`);
const page = () => call('GET', `/v1/shares/${shareToken}`);
const summary = (answers: readonly Answer[]) => {
  const counts: Record<string, number> = {};
  for (const { status, body } of answers) {
    const key = `${status} ${body.result === undefined ? (body.code ?? body.status ?? 'shared') : 'shaken'}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};
const expectRefused = (answers: readonly Answer[]): void => {
  for (const { status, headers, body } of answers) {
    expect([status, ['overloaded', 'dependency_unavailable'].includes(body.code)]).toEqual([503, true]);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }
};
/** All that must go on, and does. */
async function expectLifeGoesOn(): Promise<void> {
  const [shakes, opens, shares] = await Promise.all([times(60, shake), times(40, open), times(20, share)]);
  expect(summary(shakes)).toEqual({ '200 shaken': 60 });
  expect(summary(opens)).toEqual({ '200 credited': 40 });
  expect(summary(shares)).toEqual({ '201 shared': 20 });
}

it('answers every shake, open and share while the share service hangs, and asks it ever less', async () => {
  rig.share.answer(silent);
  const waiting = [times(300, () => grab()), times(100, page)];
  await until(
    'grabs that wait',
    () => rig.share.seen.length,
    (seen) => seen > 0,
  );
  const { grabs, reads } = rig.parts.links;
  await expectLifeGoesOn();
  // its sockets are the bulkheads' and no more
  expect(rig.share.openMost).toBeLessThanOrEqual(128 + 32);
  expectRefused((await Promise.all(waiting)).flat());
  expect([grabs.state, reads.state]).toMatchObject([{ breaker: 'open' }, { breaker: 'open' }]);
  expectRefused(await times(200, () => grab(otherShareToken)));
  // one probe, if its time has come
  const asked = rig.share.seen.filter(({ path }) => path.includes(otherShareToken));
  expect(asked.length).toBeLessThanOrEqual(1);
}, 120_000);

it('answers every shake, open and share while the share service is gone', async () => {
  await rig.share.stop();
  expectRefused(await times(100, () => grab()));
  await expectLifeGoesOn();
  await rig.share.start();
  await expect.poll(async () => (await grab()).status, patience).toBe(200);
}, 120_000);

it('answers every shake, open and share while allocation hangs, and questions after an open by their receipts', async () => {
  rig.allocation.answer(silent);
  const wallets = times(100, () => call('GET', '/v1/me/wallet'));
  await until(
    'wallets that wait',
    () => rig.parts.links.accounts.state.callsUnderWay,
    (calls) => calls > 0,
  );
  await expectLifeGoesOn();
  const packetId = freshPacketId();
  const receipt = signed('receipt', { packetId, atMs: Date.now() });
  const asked = await times(60, () => call('GET', `/v1/packets/${packetId}?receipt=${receipt}`));
  expect(summary(asked)).toEqual({ '202 pending': 60 });
  expectRefused(await wallets);
  expect(rig.allocation.openMost).toBeLessThanOrEqual(32 + 32);
  const { accounts, ledger } = rig.parts.links;
  expect([accounts.state, ledger.state]).toMatchObject([{ breaker: 'open' }, { breaker: 'open' }]);
}, 120_000);

it('answers every shake and share while Redis hangs, refuses opens, and credits them when it is back', async () => {
  process.kill(rig.redis.pid, 'SIGSTOP');
  try {
    for (let round = 0; round < 3; round++) {
      const [shakes, opens, shares] = await Promise.all([times(60, shake), times(40, open), times(20, share)]);
      expect(summary(shakes)).toEqual({ '200 shaken': 60 });
      expect(summary(opens)).toEqual({ '503 queue_unavailable': 40 });
      expect(opens.every(({ headers }) => Number(headers.get('retry-after')) > 0)).toBe(true);
      expect(summary(shares)).toEqual({ '201 shared': 20 });
    }
    // nothing was left behind, and once the connection is given up nobody waits for it
    expect(rig.parts.openCounters.inFlight).toBe(0);
    await expect.poll(() => rig.parts.redis.producer.status, patience).not.toBe('ready');
  } finally {
    process.kill(rig.redis.pid, 'SIGCONT');
  }
  await expect.poll(async () => (await open()).status, patience).toBe(200);
  await expectLifeGoesOn();
}, 120_000);
