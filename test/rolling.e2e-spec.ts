import { expect, it, onTestFinished } from 'vitest';
import { Night } from './support/night.ts';
import { steadyPlan } from './support/plans.ts';
import { phones, RollingPlay } from './support/rolling-play.ts';

/** What an open may be told at any time; whatever else it is told has a reason below. */
const accepted = ['200 credited', '202 pending'];
/** A gateway that takes no opens says so, and who does. */
const elsewhere = '404 not_found';
/** A connection that its gateway closed just when a request came on it. */
const brokenOff = ['lost UND_ERR_SOCKET', 'lost ECONNRESET'];

interface Played {
  readonly night: Night;
  readonly eventId: string;
  readonly play: RollingPlay;
}

async function startPlay(split: boolean): Promise<Played> {
  const night = await Night.start({ gateways: 2, split, env: { LOCAL_ADMISSION: 'on' } });
  onTestFinished(() => night.stop());
  const eventId = await night.liveEvent(
    steadyPlan({
      packetsPerSponsor: 15_000,
      sponsors: 1,
      perUserMax: 1,
      durationMs: 300_000,
      ticketTtlMs: 300_000,
      sharePortions: 2,
      sharesLastMs: 600_000,
    }),
  );
  const play = new RollingPlay(night.stack.gatewayUrl, eventId);
  play.start();
  return { night, eventId, play };
}

/** Every ticket that anybody won is opened and credited, every share and grab succeeds, and the books balance. */
async function expectNothingLost({ night, eventId, play }: Played): Promise<void> {
  await play.end();
  const outcomes = play.tickets.map((ticket) => play.opened.get(ticket)?.outcome);
  expect(new Set(outcomes)).toEqual(new Set(['credited']));
  expect(new Set(play.grabbed)).toEqual(new Set(['credited']));
  expect(play.grabbed).toHaveLength(play.tickets.length);
  const { body } = await night.ops('GET', `/events/${eventId}/reconciliation`);
  expect(body).toMatchObject({ balanced: true, violations: [] });
  expect(body.packets.granted).toBe(play.tickets.length);
}

// A new version is rolled out in the middle of an event: each process is ended in order and started again while people play. No open is
// refused by any answer; what is not answered at all is a connection that a gateway closed, or the one money gateway while it is away.
it.each([
  ['all roles in one', false],
  ['money apart from shakes', true],
])('restarts every process under load without a failed open, a lost ticket or a failed grab: %s', async (_, split) => {
  const played = await startPlay(split);
  const { night, play } = played;
  for (const process of night.stack.processes) {
    const { pid } = process;
    await play.disturb(process.name, () => process.restart());
    expect(process.pid).not.toBe(pid);
  }
  await expectNothingLost(played);

  const lostIn = (phase: string): readonly string[] => {
    // nobody else takes opens: connections are refused until it is back; a phone asks in between where it began, and is told that opens are there
    if (phase === 'gateway-money') return [...brokenOff, 'lost ECONNREFUSED', elsewhere];
    // two listen at one port: the other takes what comes anew, but a request may meet the end of its connection
    return phase.startsWith('gateway') ? brokenOff : [];
  };
  expect(play.unexplained((phase) => [...accepted, ...lostIn(phase)])).toEqual([]);
  // the SDK tries a share five times, which a gateway without a twin may outlast
  expect(play.sharesAskedAgain.filter((phases) => !phases.includes('gateway-money'))).toEqual([]);
  for (const name of ['gateway-0', 'gateway-1']) {
    const broken = brokenOff.map((answer) => play.answersIn(name)[answer] ?? 0);
    // a phone has one open under way, and repeats it on a new connection
    expect(broken[0]! + broken[1]!).toBeLessThanOrEqual(phones);
  }
  expect(play.phonesOverBudget()).toEqual([]);
});

// The stores themselves are ended in order and started again on their data. While Redis is away an open is told so, by 503 and a time to
// come again; while PostgreSQL is, it is accepted.
it('restarts PostgreSQL and Redis under load without a failed open, a lost ticket or a failed grab', async () => {
  const played = await startPlay(false);
  const { night, play } = played;
  for (const name of ['postgres', 'redis'] as const) {
    const server = night.stack[name]!;
    const { pid } = server;
    await play.disturb(name, () => server.restart());
    expect(server.pid).not.toBe(pid);
  }
  await expectNothingLost(played);
  expect(play.sharesAskedAgain).toEqual([]);
  const refusals = (phase: string): readonly string[] => (phase === 'redis' ? ['503 queue_unavailable'] : []);
  expect(play.unexplained((phase) => [...accepted, ...refusals(phase)])).toEqual([]);
  expect(play.phonesOverBudget()).toEqual([]);
});
