import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type OpenOutcome, openReplySchema } from '#libs/contracts';
import { ReplyRegistry } from './reply-registry.ts';

const silent = { info: () => undefined, warn: () => undefined, error: vi.fn() };
const outcomes: OpenOutcome[] = [{ outcome: 'credited', amountFen: 5 }, { outcome: 'taken' }];
const reply = (jobId: string) => JSON.stringify({ jobId, outcomes });

describe('ReplyRegistry', () => {
  let closed: string[];
  let registry: ReplyRegistry<OpenOutcome>;
  const expectReply = (jobId: string) => registry.expect(jobId, () => closed.push(jobId));

  beforeEach(() => {
    vi.useFakeTimers();
    silent.error.mockClear();
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

  it('logs what is no reply', () => {
    // Proves that garbage on the channel harms nothing.
    registry.accept('not JSON');
    registry.accept('{"jobId": 1}');
    expect(silent.error).toHaveBeenCalledTimes(2);
  });
});
