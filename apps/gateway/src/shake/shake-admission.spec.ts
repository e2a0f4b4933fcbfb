import { describe, expect, it } from 'vitest';
import type { FeatureMode } from '#libs/degradation';
import { priorityPeriodMs, type UserHash } from '#libs/domain';
import { ShakeAdmission } from './shake-admission.ts';

const users: UserHash[] = Array.from({ length: 2000 }, (_, i) => ({ low: i * 7919, high: i }));
const nowMs = 1_771_272_000_000;

function admittedBy(mode: FeatureMode, share: number, atMs = nowMs): Set<UserHash> {
  const pace = { stretch: 1, deferMs: 0, isBehind: false };
  const admission = new ShakeAdmission({ modeOf: () => mode }, pace, { shareOf: () => share });
  return new Set(users.filter((user) => admission.admits(user, atMs)));
}

describe('who may shake while a process has stepped back', () => {
  it('is everybody at a share of 1, nobody at 0, and about the share between', () => {
    expect(admittedBy('full', 1).size).toBe(users.length);
    expect(admittedBy('full', 0).size).toBe(0);
    expect(Math.abs(admittedBy('full', 0.3).size / users.length - 0.3)).toBeLessThan(0.04);
  });

  it('stays the same for a minute, and is dealt anew with the next', () => {
    const minuteMs = Math.floor(nowMs / priorityPeriodMs) * priorityPeriodMs;
    const first = admittedBy('full', 0.5, minuteMs);
    expect(admittedBy('full', 0.5, minuteMs + priorityPeriodMs - 1)).toEqual(first);
    const next = admittedBy('full', 0.5, minuteMs + priorityPeriodMs);
    expect([...next].filter((user) => first.has(user)).length / next.size).toBeLessThan(0.6);
  });

  it('loses no user who was in when the share grows again', () => {
    const few = admittedBy('full', 0.25);
    const more = admittedBy('full', 0.4);
    expect([...few].every((user) => more.has(user))).toBe(true);
  });

  it('is the smaller share of what the tier and the process allow, by the same order of users', () => {
    expect(admittedBy('paced', 0.2)).toEqual(admittedBy('full', 0.2));
    expect(admittedBy('paced', 0.9)).toEqual(admittedBy('paced', 1));
    expect(admittedBy('off', 1).size).toBe(0);
  });
});
