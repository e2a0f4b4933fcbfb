/**
 * An operator pins tiers while a crowd shakes: full, thin, pace, core, and back to full. Watches that each feature yields at its
 * tier and returns, that opens are credited at every tier, and that the books balance at the end.
 */
import { sleep } from 'k6';
import exec from 'k6/execution';
import type { Options } from 'k6/options';
import { commonThresholds, nextShakeMs } from '../lib/metrics.ts';
import { observe } from '../lib/observer.ts';
import { holdEvent, setTier, settleAndProve } from '../lib/ops.ts';
import { phaseAt, phaseStartMs, phases } from '../lib/phases.ts';
import { type Hit, Phone, sleepUntil } from '../lib/phone.ts';
import { planEvent, type Times } from '../lib/plan.ts';
import { packets, phones, shakingSecondsOr } from '../lib/settings.ts';

interface Data extends Times {
  readonly eventId: string;
  readonly run: string;
}

interface HeldTicket {
  readonly hit: Hit;
  readonly openAtMs: number;
}

const leadMs = 6000 + phones * 5;
const shakingMs = shakingSecondsOr(50) * 1000;
const ticketTtlMs = 20_000;
/** Tickets are opened at once or kept for a while, so that some are opened in every phase. */
const keptPart = 0.6;
const keptMaxMs = ticketTtlMs * 0.75;
const patienceMs = 60_000;
const lostShakeMs = 1000;
const shakeIntervalMs = 1000;

const oneVu = { executor: 'per-vu-iterations', vus: 1, iterations: 1, maxDuration: '15m' } as const;

export const options: Options = {
  scenarios: {
    phones: { ...oneVu, vus: phones, exec: 'phone', gracefulStop: '1m' },
    operator: { ...oneVu, exec: 'operator' },
    observer: { ...oneVu, exec: 'observer' },
  },
  setupTimeout: '2m',
  teardownTimeout: '5m',
  summaryTrendStats: ['avg', 'med', 'p(90)', 'p(99)', 'max', 'count'],
  thresholds: {
    ...commonThresholds,
    ...Object.fromEntries(phases.map(({ name }) => [`hongbao_as_promised{phase:${name}}`, ['rate==1']])),
    ...Object.fromEntries(phases.map(({ name }) => [`hongbao_opens{phase:${name},outcome:credited}`, ['count>0']])),
    'hongbao_shakes{phase:full,result:hit}': ['count>0'],
    'hongbao_shakes{phase:thin,result:hit}': ['count>0'],
    'hongbao_shakes{phase:core,result:hit}': ['count==0'],
    'hongbao_shakes{phase:core,result:miss}': ['count==0'],
    'hongbao_shakes{phase:core,result:rest}': ['count>0'],
    'hongbao_shakes{phase:back,result:hit}': ['count>0'],
    'hongbao_next_shake_ms{phase:full}': [`avg<${shakeIntervalMs * 1.5}`],
    'hongbao_next_shake_ms{phase:pace}': [`avg>${shakeIntervalMs * 2}`],
    'hongbao_next_shake_ms{phase:back}': [`avg<${shakeIntervalMs * 1.5}`],
    'hongbao_grabs{phase:full,outcome:credited}': ['count>0'],
    'hongbao_grabs{phase:core,outcome:credited}': ['count==0'],
    'hongbao_grabs{phase:core,outcome:off}': ['count>0'],
    'hongbao_grabs{phase:back,outcome:credited}': ['count>0'],
  },
};

export function setup(): Data {
  setTier(0, 'load test tiers: before the start');
  const { plan, ...times } = planEvent({
    title: 'Load test: tiers',
    packets,
    leadMs,
    shakingMs,
    staggerMs: 0,
    shakeIntervalMs,
    ticketTtlMs,
    releaseCurve: 'even',
  });
  return { ...times, eventId: holdEvent(plan), run: times.startMs.toString(36) };
}

export function operator({ startMs }: Data): void {
  for (const phase of phases) {
    sleepUntil(phaseStartMs(phase, startMs, shakingMs));
    setTier(phase.tier, `load test tiers: ${phase.name}`);
  }
}

export function observer(data: Data): void {
  const { token } = new Phone(data.eventId, `t${data.run}-observer`, data.endMs);
  while (Date.now() < data.endMs) {
    const phase = phaseAt(Date.now(), data.startMs, shakingMs);
    if (phase) observe(phase, data.eventId, token);
    else sleep(0.1);
  }
}

export function phone(data: Data): void {
  const name = `t${data.run}-${exec.vu.idInTest}`;
  const giveUpAtMs = data.sharesEndMs + patienceMs;
  const own = new Phone(data.eventId, name, giveUpAtMs);
  const friend = new Phone(data.eventId, `${name}-friend`, giveUpAtMs);
  const held: HeldTicket[] = [];
  sleepUntil(data.startMs + Math.random() * shakeIntervalMs);
  for (let shakeAtMs = Date.now(); shakeAtMs < data.endMs; ) {
    openDue(data, own, friend, held, Date.now());
    if (Date.now() >= shakeAtMs) shakeAtMs = Date.now() + shakeOnce(data, own, held);
    sleepUntil(Math.min(shakeAtMs, ...held.map(({ openAtMs }) => openAtMs)));
  }
  openDue(data, own, friend, held, Number.POSITIVE_INFINITY);
}

export function teardown(data: Data): void {
  setTier('auto', 'load test tiers: done');
  settleAndProve(data.eventId);
}

/** Shakes and keeps what is won; returns the milliseconds until the next shake. */
function shakeOnce(data: Data, own: Phone, held: HeldTicket[]): number {
  const tags = phaseTags(data);
  const answer = own.shake(tags);
  if (answer === undefined) return lostShakeMs;
  if (answer.result === 'over') return Number.POSITIVE_INFINITY;
  if (answer.result === 'not_started') return answer.startsInMs;
  if (answer.result === 'limit') return lostShakeMs;
  if (answer.result === 'hit') {
    const keptMs = Math.random() < keptPart ? Math.random() * keptMaxMs : 0;
    held.push({ hit: answer, openAtMs: Date.now() + keptMs });
  }
  if (answer.result !== 'rest') nextShakeMs.add(answer.nextShakeMs, tags);
  return answer.nextShakeMs;
}

function openDue(data: Data, own: Phone, friend: Phone, held: HeldTicket[], nowMs: number): void {
  const due = held.filter(({ openAtMs }) => openAtMs <= nowMs);
  for (const ticket of due) {
    held.splice(held.indexOf(ticket), 1);
    const packet = own.open(ticket.hit, phaseTags(data));
    const share = packet && own.share(packet.packetId, ticket.hit.ticket);
    if (share) friend.grab(share.shareToken, phaseTags(data));
  }
}

function phaseTags({ startMs }: Data): Record<string, string> {
  return { phase: phaseAt(Date.now(), startMs, shakingMs)?.name ?? 'turning' };
}
