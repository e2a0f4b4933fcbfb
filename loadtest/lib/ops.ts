import { sleep } from 'k6';
import type { DegradationView, EventPlanInput, OpsEvent, Reconciliation } from '#libs/contracts';
import { type Answer, type Call, sendUntil } from './http.ts';
import { grabbedMinusBooked, openedMinusGranted, proofs } from './metrics.ts';
import { gatewayUrl, opsToken, opsUrl } from './settings.ts';

const patienceMs = 60_000;
const settleMaxMs = 150_000;
const knownMaxMs = 20_000;
/** Each gateway reads the events for itself, once a second: when one knows it, the others do after this. */
const knownByAllS = 1.5;

function ops<T>(method: Call['method'], path: string, body?: unknown): Answer<T> {
  const call = { method, url: `${opsUrl}/ops/v1${path}`, name: `ops ${method}`, token: opsToken, body, timeout: '60s' };
  return sendUntil<T>(call, Date.now() + patienceMs);
}

function bodyOf<T>(what: string, answer: Answer<T>): T {
  if (answer.status >= 200 && answer.status < 300 && answer.body !== undefined) return answer.body;
  throw new Error(`${what}: ${answer.status} ${answer.code ?? ''} ${JSON.stringify(answer.body)}`);
}

/** Creates and arms an event and waits until the gateways know it. */
export function holdEvent(plan: EventPlanInput): string {
  const { id } = bodyOf<OpsEvent>('create', ops('POST', '/events', plan));
  bodyOf('arm', ops('POST', `/events/${id}/arm`, { reason: plan.title }));
  const giveUpAtMs = Date.now() + knownMaxMs;
  for (;;) {
    const call: Call = { method: 'GET', url: `${gatewayUrl}/v1/events/${id}`, name: 'event' };
    const answer = sendUntil(call, giveUpAtMs);
    if (answer.status === 200) {
      sleep(knownByAllS);
      return id;
    }
    if (Date.now() > giveUpAtMs) throw new Error(`the gateway does not know event ${id}: ${answer.status}`);
    sleep(0.2);
  }
}

/** Pins a tier, or gives it back to the controller. */
export function setTier(tier: number | 'auto', reason: string): void {
  const request = tier === 'auto' ? { mode: 'auto', reason } : { mode: 'pinned', tier, reason };
  bodyOf<DegradationView>('tier', ops('PUT', '/degradation/tier', request));
}

/** Closes and settles the event as soon as it is possible; the proof before and after goes into the metrics. */
export function settleAndProve(eventId: string): void {
  bodyOf('close', ops('POST', `/events/${eventId}/close`, { reason: 'load test' }));
  prove(eventId, 'before settlement');
  settle(eventId);
  const proof = prove(eventId, 'after settlement');
  openedMinusGranted.add(-proof.grantedFen);
  grabbedMinusBooked.add(-proof.grabbedFen);
}

function settle(eventId: string): void {
  const giveUpAtMs = Date.now() + settleMaxMs;
  for (;;) {
    const answer = ops<{ possibleAt?: string }>('POST', `/events/${eventId}/settle`, { reason: 'load test' });
    if (answer.code !== 'too_early') {
      bodyOf('settle', answer);
      return;
    }
    if (Date.now() > giveUpAtMs) throw new Error(`event ${eventId} cannot be settled: ${JSON.stringify(answer.body)}`);
    const waitMs = Date.parse(answer.body?.possibleAt ?? '') - Date.now();
    sleep(Math.min(Math.max(waitMs || 0, 500), settleMaxMs) / 1000);
  }
}

function prove(eventId: string, when: string): Reconciliation {
  const proof = bodyOf<Reconciliation>('reconciliation', ops('GET', `/events/${eventId}/reconciliation`));
  const { balanced, budgetFen, grantedFen, grabbedFen, refundedFen, unclaimedFen, violations } = proof;
  const isSum = budgetFen === grantedFen + grabbedFen + refundedFen + unclaimedFen;
  proofs.add(1, { balanced: balanced && isSum ? 'yes' : 'no' });
  const figures = `${budgetFen} = ${grantedFen} + ${grabbedFen} + ${refundedFen} + ${unclaimedFen} fen`;
  console.log(
    `${when} ${balanced && isSum ? 'balanced' : 'NOT BALANCED'}: budget = granted + grabbed + refunded + unclaimed (${figures})`,
  );
  for (const violation of violations) console.error(violation);
  return proof;
}
