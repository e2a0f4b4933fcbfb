import { describe, expect, it } from 'vitest';
import { ReplyMean } from './reply-mean.ts';

describe('the mean of replies', () => {
  it('is that of all that came in the last ten steps, one by one or many at once', () => {
    const replies = new ReplyMean();
    replies.add(30 * 1000, 30);
    replies.step();
    for (let n = 0; n < 30; n++) replies.add(2000);
    expect(replies.step()).toBe(1500);
  });

  it('is not known while fewer than fifty came', () => {
    const replies = new ReplyMean();
    replies.add(49 * 1000, 49);
    expect(replies.step()).toBeUndefined();
    replies.add(1000);
    expect(replies.step()).toBe(1000);
  });

  it('forgets a step after ten', () => {
    const replies = new ReplyMean();
    replies.add(100 * 9000, 100);
    for (let step = 0; step < 9; step++) expect(replies.step()).toBe(9000);
    replies.add(100 * 1000, 100);
    expect(replies.step()).toBe(5000);
    expect(replies.step()).toBe(1000);
    for (let step = 0; step < 8; step++) replies.step();
    expect(replies.step()).toBeUndefined();
  });
});
