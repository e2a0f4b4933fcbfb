// What this process measures of its grabs pushes reads and extras away, and lets them come back.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ReplyMean } from '#libs/degradation';
import { ShareAdmission } from './share-admission.ts';

/** Asks until it holds, for as long as a busy machine may need. */
const eventually = <T>(ask: () => T) => expect.poll(ask, { timeout: 30_000, interval: 20 });

let replies: ReplyMean;
let admission: ShareAdmission;

beforeEach(() => {
  replies = new ReplyMean();
  admission = new ShareAdmission({ isOn: true, inFlightShare: () => 0, replies });
  admission.start();
});
afterEach(() => admission.stop());

const grabsTook = (tookMs: number): void => replies.add(100 * tookMs, 100);

it('slow grabs make reads yield, not themselves, and reads come back', async () => {
  await eventually(() => {
    grabsTook(1400);
    return admission.local.level;
  }).toBe(2);
  expect(['extras', 'reads', 'share', 'grab'].map((name) => admission.admits(name as 'reads', 0))).toEqual([
    false,
    false,
    true,
    true,
  ]);
  expect(admission.refused).toMatchObject({ extras: 1, reads: 1, grab: 0 });
  await eventually(() => admission.local.level).toBe(0);
  expect(admission.admits('reads', 0)).toBe(true);
});
