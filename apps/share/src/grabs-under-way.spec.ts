// What is remembered of grabs that were sent to their lanes: as what they count, for how long, and what takes their place.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type GrabOutcome, grabReplySchema } from '#libs/contracts';
import { grabLane, ReplyRegistry } from '#libs/queue';
import { type DurableGrab, GrabsUnderWay, type SentGrab } from './grabs-under-way.ts';

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const awaitedMaxMs = 4000;
const credited: GrabOutcome = { outcome: 'credited', amountFen: 5, portion: 1 };

let replies: ReplyRegistry<GrabOutcome>;
let grabs: GrabsUnderWay;
let told: GrabOutcome[];

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  const findOutstanding = async (_lane: string, jobIds: readonly string[]) => new Set(jobIds);
  replies = new ReplyRegistry({ replySchema: grabReplySchema, log, findOutstanding });
  grabs = new GrabsUnderWay({ awaitedMax: 2, parkedMax: 2, awaitedMaxMs });
});
afterEach(() => {
  replies.close();
  vi.useRealTimers();
});

/** One that is durable as a job of its own, named as the grab. */
function send(key: string, jobId = key): SentGrab {
  const slot = replies.expect(grabLane(0), jobId, () => undefined)!;
  const durable: DurableGrab = {
    status: 'durable',
    jobId,
    position: 0,
    whenReplied: (waitMs) => slot.outcomeAt(0, waitMs),
  };
  return grabs.keep(key, Promise.resolve(durable), 0, (outcome) => told.push(outcome));
}
const reply = (jobId: string, outcome: GrabOutcome) => replies.accept(JSON.stringify({ jobId, outcomes: [outcome] }));
const counts = () => [grabs.awaitedCount(), grabs.parkedCount()];
const turn = () => vi.advanceTimersByTimeAsync(0);

it('a grab is awaited until its outcome comes, and then forgotten', async () => {
  const grab = send('a');
  expect([counts(), grabs.get('a')]).toEqual([[1, 0], grab]);
  reply('a', credited);
  expect(await grab.outcome).toEqual(credited);
  expect([told, counts(), grabs.get('a'), grab.stage]).toEqual([[credited], [0, 0], undefined, 'gone']);
});

it('a grab whose outcome does not come is parked, however long, and its outcome is heard', async () => {
  const grab = send('a');
  await vi.advanceTimersByTimeAsync(awaitedMaxMs);
  expect([counts(), grab.stage, grab.cameAtMs]).toEqual([[0, 1], 'parked', undefined]);
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(grabs.get('a')).toBe(grab);
  reply('a', credited);
  expect(await grab.outcome).toEqual(credited);
  expect([told, counts()]).toEqual([[credited], [0, 0]]);
});

it('a grab that is put off on purpose is parked at once', async () => {
  const grab = send('a');
  await grab.accepted;
  grabs.park(grab);
  grabs.park(grab);
  expect([counts(), grab.stage]).toEqual([[0, 1], 'parked']);
  await vi.advanceTimersByTimeAsync(awaitedMaxMs);
  expect(counts()).toEqual([0, 1]);
});

it('says what there are too many of, each by its own limit', async () => {
  const first = [send('a'), send('b')];
  expect(grabs.fullOf()).toBe('awaited');
  for (const grab of first) grabs.park(grab);
  expect(grabs.fullOf()).toBe('parked');
  reply('a', credited);
  await turn();
  expect(grabs.fullOf()).toBeUndefined();
});

it('a grab that was sent again takes the place of the one whose reply was lost, whatever comes of that', async () => {
  const lost = send('a', 'job-1');
  grabs.park(lost);
  const again = send('a', 'job-2');
  expect([counts(), lost.stage, grabs.get('a')]).toEqual([[1, 0], 'gone', again]);
  reply('job-1', { outcome: 'no_grant_yet' });
  await turn();
  expect([counts(), grabs.get('a')]).toEqual([[1, 0], again]);
});

it('a dead letter rests for a minute', async () => {
  const grab = send('a');
  reply('a', { outcome: 'dead' });
  await turn();
  expect([counts(), grab.stage]).toEqual([[0, 1], 'resting']);
  await vi.advanceTimersByTimeAsync(59_000);
  expect(grabs.get('a')).toBe(grab);
  await vi.advanceTimersByTimeAsync(1000);
  expect([counts(), grabs.get('a')]).toEqual([[0, 0], undefined]);
});

it('a grab that did not become durable is forgotten at once', async () => {
  const refused = grabs.keep('a', Promise.reject(new Error('too late')), 0, () => undefined);
  await expect(refused.accepted).rejects.toThrow('too late');
  await turn();
  expect([counts(), grabs.get('a')]).toEqual([[0, 0], undefined]);
});
