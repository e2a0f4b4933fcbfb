// Every lane that may hold work is looked at, those of events armed under another configuration too.
import { expect, it } from 'vitest';
import type { EventSnapshot } from '#libs/contracts';
import { lanesOf } from './lanes.service.ts';

const armedWith = (openLaneCount: number, grabLaneCount: number) => ({ openLaneCount, grabLaneCount }) as EventSnapshot;

it('names the configured lanes when there is no event', () => {
  expect(lanesOf({ open: 2, grab: 1 }, [])).toEqual(['open-0', 'open-1', 'grab-0']);
});

it('names the lanes of an event that has more, and no fewer for one that has less', () => {
  const lanes = lanesOf({ open: 1, grab: 2 }, [armedWith(3, 1), armedWith(1, 1)]);
  expect(lanes).toEqual(['open-0', 'open-1', 'open-2', 'grab-0', 'grab-1']);
});
