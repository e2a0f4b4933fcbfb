/**
 * Everybody counts down together: nothing, and a second later the full crowd shakes. Winners open, share, and their friends and
 * they themselves grab. Ends with the money proof, and with the phones' own sums equal to the ledger's to the fen.
 */
import { sleep } from 'k6';
import exec from 'k6/execution';
import type { Options } from 'k6/options';
import { commonThresholds } from '../lib/metrics.ts';
import { holdEvent, setTier, settleAndProve } from '../lib/ops.ts';
import { type Hit, Phone, sleepUntil } from '../lib/phone.ts';
import { planEvent, type Times } from '../lib/plan.ts';
import { packets, phones, shakingSecondsOr } from '../lib/settings.ts';

interface Data extends Times {
  readonly eventId: string;
  readonly run: string;
}

/** Time until every gateway knows the event, and for the sessions of all phones, at 200 a second. */
const leadMs = 6000 + phones * 5;
const staggerMs = 1000;
const patienceMs = 60_000;
const sharesPart = 0.5;
const ownerGrabsPart = 0.3;
/** A phone whose shake was lost waits this long. */
const lostShakeS = 1;

export const options: Options = {
  scenarios: {
    phones: {
      executor: 'per-vu-iterations',
      vus: phones,
      iterations: 1,
      exec: 'phone',
      maxDuration: '10m',
      gracefulStop: '1m',
    },
  },
  setupTimeout: '2m',
  teardownTimeout: '5m',
  summaryTrendStats: ['med', 'p(90)', 'p(99)', 'max', 'count'],
  thresholds: {
    ...commonThresholds,
    'hongbao_shakes{result:hit}': ['count>0'],
    'hongbao_shakes{result:miss}': ['count>0'],
    'hongbao_shares{outcome:shared}': ['count>0'],
    'hongbao_grabs{outcome:credited}': ['count>0'],
    'hongbao_opens{outcome:expired}': ['count==0'],
  },
};

export function setup(): Data {
  setTier('auto', 'load test countdown');
  const { plan, ...times } = planEvent({
    title: 'Load test: countdown',
    packets,
    leadMs,
    shakingMs: shakingSecondsOr(25) * 1000,
    staggerMs,
    shakeIntervalMs: 1000,
    ticketTtlMs: 15_000,
    releaseCurve: 'front',
  });
  return { ...times, eventId: holdEvent(plan), run: times.startMs.toString(36) };
}

export function phone(data: Data): void {
  const name = `k${data.run}-${exec.vu.idInTest}`;
  const giveUpAtMs = data.sharesEndMs + patienceMs;
  const own = new Phone(data.eventId, name, giveUpAtMs);
  const friend = new Phone(data.eventId, `${name}-friend`, giveUpAtMs);
  sleepUntil(data.startMs + Math.random() * staggerMs);
  for (;;) {
    const answer = own.shake();
    switch (answer?.result) {
      case 'over':
      case 'limit':
        return;
      case 'not_started':
        sleep(answer.startsInMs / 1000);
        break;
      case 'hit':
        enjoy(own, friend, answer);
        sleep(answer.nextShakeMs / 1000);
        break;
      default:
        sleep(answer ? answer.nextShakeMs / 1000 : lostShakeS);
    }
  }
}

export function teardown(data: Data): void {
  settleAndProve(data.eventId);
}

function enjoy(own: Phone, friend: Phone, hit: Hit): void {
  const packet = own.open(hit);
  if (packet === undefined || Math.random() >= sharesPart) return;
  const share = own.share(packet.packetId, hit.ticket);
  if (share === undefined) return;
  friend.grab(share.shareToken);
  if (Math.random() < ownerGrabsPart) own.grab(share.shareToken);
}
