import type { EventPlan } from '#libs/contracts';
import type { EventDraft } from '#libs/domain';

/** Shares of an event end this long after it, unless its plan says otherwise (API.md). */
const sharesAfterEndMs = 86_400_000;

/** The plan of a request as a draft: times in milliseconds since the epoch, defaults filled in. */
export function draftOf(plan: EventPlan, graceMs: number): EventDraft {
  const endsAtMs = Date.parse(plan.endsAt);
  return {
    title: plan.title,
    startsAtMs: Date.parse(plan.startsAt),
    endsAtMs,
    sharesEndAtMs: plan.sharesEndAt === undefined ? endsAtMs + sharesAfterEndMs : Date.parse(plan.sharesEndAt),
    perUserMax: plan.perUserMax,
    ticketTtlMs: plan.ticketTtlMs,
    staggerMs: plan.staggerMs,
    shakeIntervalMs: plan.shakeIntervalMs,
    blockLifeMs: plan.blockLifeMs,
    graceMs,
    reissue: plan.reissue,
    sponsors: plan.sponsors,
    waves: plan.waves.map(({ no, startsAt, durationMs, pools }) => ({
      no,
      startsAtMs: Date.parse(startsAt),
      durationMs,
      pools,
    })),
  };
}
