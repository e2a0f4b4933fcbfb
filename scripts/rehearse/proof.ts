import { deviceClock, type HongbaoOps } from '#libs/client';
import type { Reconciliation } from '#libs/contracts';
import { insist } from './patience.ts';

/** Settlement waits for tickets, shares and accepted opens; an outage in between may add to it. */
const settleMaxMs = 180_000;
const settlePauseMs = 500;

/** Settles the event as soon as it is possible. @returns false when it was still refused after three minutes. */
export async function settleEvent(ops: HongbaoOps, eventId: string, signal: AbortSignal): Promise<boolean> {
  const giveUpAtMs = Date.now() + settleMaxMs;
  while (!signal.aborted && Date.now() < giveUpAtMs) {
    const outcome = await insist(() => ops.settle(eventId, 'rehearsal'), signal);
    if (outcome.outcome === 'settled') return true;
    const waitMs = Date.parse(outcome.possibleAt) - Date.now();
    await deviceClock.sleep(Math.min(Math.max(waitMs, settlePauseMs), giveUpAtMs - Date.now()), signal);
  }
  return false;
}

/** The money proof in one line, with its figures. */
export function proofLine(proof: Reconciliation): string {
  const { budgetFen, grantedFen, grabbedFen, refundedFen, unclaimedFen } = proof;
  const figures = `${budgetFen} = ${grantedFen} + ${grabbedFen} + ${refundedFen} + ${unclaimedFen} fen`;
  return `${proof.balanced ? 'balanced' : 'NOT BALANCED'}: budget = granted + grabbed + refunded + unclaimed (${figures})`;
}
