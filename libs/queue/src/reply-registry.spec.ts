import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type OpenOutcome, openReplySchema } from '#libs/contracts';
import { grabLane, type Lane } from './lane.ts';
import { ReplyRegistry } from './reply-registry.ts';

const lane = grabLane(0);
const silent = { info: () => undefined, warn: vi.fn(), error: vi.fn() };
const outcomes: OpenOutcome[] = [{ outcome: 'credited', amountFen: 5 }, { outcome: 'taken' }];
const reply = (jobId: string) => JSON.stringify({ jobId, outcomes });

describe('ReplyRegistry', () => {
  let closed: string[];
  let registry: ReplyRegistry<OpenOutcome>;
  const expectReply = (jobId: string) => registry.expect(lane, jobId, () => closed.push(jobId));

  beforeEach(() => {
    vi.useFakeTimers();
    silent.error.mockClear();
    silent.warn.mockClear();
    closed = [];
    registry = new ReplyRegistry({ replySchema: openReplySchema, log: silent, jobsMax: 2, jobTtlMs: 1000 });
  });
  afterEach(() => {
    registry.close();
    vi.useRealTimers();
  });

  it('brings each item of a job its own outcome', async () => {
    // Proves the mapping by job and position, for those who wait and for those who ask later.
    const slot = expectReply('j1')!;
    const waiting = slot.outcomeAt(1, 500);
    registry.accept(reply('other'));
    registry.accept(reply('j1'));
    expect(await waiting).toEqual({ outcome: 'taken' });
    expect(await slot.outcomeAt(0, 500)).toEqual({ outcome: 'credited', amountFen: 5 });
    expect(await slot.outcomeAt(2, 500)).toBeUndefined();
    expect(closed).toEqual(['j1']);
  });

  it('keeps a reply that comes before anybody waits', async () => {
    // Proves that a consumer may be faster than the producer's acknowledgement.
    const slot = expectReply('j1')!;
    registry.accept(reply('j1'));
    expect(await slot.outcomeAt(0, 0)).toEqual({ outcome: 'credited', amountFen: 5 });
  });

  it('takes the first reply of a job that ran twice', async () => {
    // Proves that a second reply changes nothing and is no fault.
    const slot = expectReply('j1')!;
    registry.accept(reply('j1'));
    registry.accept(JSON.stringify({ jobId: 'j1', outcomes: [{ outcome: 'expired' }] }));
    expect(await slot.outcomeAt(0, 0)).toEqual({ outcome: 'credited', amountFen: 5 });
    expect(silent.error).not.toHaveBeenCalled();
  });

  it('lets an item wait no longer than it may, and a job no longer than its life', async () => {
    // Proves that nobody waits for ever and that slots are given up in time.
    const slot = expectReply('j1')!;
    const short = slot.outcomeAt(0, 500);
    const long = slot.outcomeAt(0, 60_000);
    await vi.advanceTimersByTimeAsync(500);
    expect(await short).toBeUndefined();
    expectReply('j2');
    await vi.advanceTimersByTimeAsync(500);
    expect(await long).toBeUndefined();
    expect(closed).toEqual(['j1']);
    await vi.advanceTimersByTimeAsync(500);
    expect(closed).toEqual(['j1', 'j2']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives no slot beyond its limit, and one again when another is closed', () => {
    // Proves the bound on memory.
    expectReply('j1');
    expectReply('j2');
    expect(expectReply('j3')).toBeUndefined();
    registry.accept(reply('j1'));
    expect(expectReply('j3')).toBeDefined();
  });

  it('keeps a slot for as long as its job is outstanding, and brings the reply however late it comes', async () => {
    // Proves that a lane which is slow on purpose loses no reply, and that what was lost is given up in the end.
    const outstanding = new Set(['j1', 'j2', 'j3']);
    const asked: [Lane, readonly string[]][] = [];
    registry = new ReplyRegistry({
      replySchema: openReplySchema,
      log: silent,
      jobTtlMs: 1000,
      findOutstanding: async (ofLane, jobIds) => {
        asked.push([ofLane, jobIds]);
        return new Set(jobIds.filter((jobId) => outstanding.has(jobId)));
      },
    });
    const [late, lost] = ['j1', 'j2'].map((jobId) => expectReply(jobId)!.outcomeAt(0, Number.POSITIVE_INFINITY));
    registry.expect(grabLane(1), 'j3', () => closed.push('j3'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(closed).toEqual([]);
    expect(asked.slice(0, 2)).toEqual([
      [lane, ['j1', 'j2']],
      [grabLane(1), ['j3']],
    ]);
    outstanding.delete('j2');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(closed).toEqual(['j2']);
    expect(await lost).toBeUndefined();
    registry.accept(reply('j1'));
    expect(await late).toEqual({ outcome: 'credited', amountFen: 5 });
  });

  it('gives up nothing while it is not known what is outstanding, nor what the first look misses', async () => {
    // Proves that an outage, or a reply that is on its way just then, costs no outcome.
    let looks: 'away' | 'nothing' = 'away';
    registry = new ReplyRegistry({
      replySchema: openReplySchema,
      log: silent,
      jobTtlMs: 1000,
      findOutstanding: async () => (looks === 'away' ? Promise.reject(new Error('away')) : new Set<string>()),
    });
    const outcome = expectReply('j1')!.outcomeAt(1, Number.POSITIVE_INFINITY);
    await vi.advanceTimersByTimeAsync(60_000);
    looks = 'nothing';
    await vi.advanceTimersByTimeAsync(1000);
    expect(closed).toEqual([]);
    registry.accept(reply('j1'));
    expect(await outcome).toEqual({ outcome: 'taken' });
    expect(silent.warn).toHaveBeenCalled();
  });

  it('looks no more once it is closed', async () => {
    // Proves that a shutdown leaves no timer behind, in the middle of a look too.
    let answer: ((jobIds: Set<string>) => void) | undefined;
    const findOutstanding = () => new Promise<Set<string>>((resolve) => (answer = resolve));
    registry = new ReplyRegistry({ replySchema: openReplySchema, log: silent, jobTtlMs: 1000, findOutstanding });
    expectReply('j1');
    await vi.advanceTimersByTimeAsync(1000);
    registry.close();
    answer!(new Set(['j1']));
    await vi.advanceTimersByTimeAsync(0);
    expect([closed, vi.getTimerCount()]).toEqual([['j1'], 0]);
  });

  it('logs what is no reply', () => {
    // Proves that garbage on the channel harms nothing.
    registry.accept('not JSON');
    registry.accept('{"jobId": 1}');
    expect(silent.error).toHaveBeenCalledTimes(2);
  });
});
