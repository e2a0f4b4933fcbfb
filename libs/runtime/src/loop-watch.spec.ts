import { expect, it, onTestFinished } from 'vitest';
import { LoopWatch } from './loop-watch.ts';

const spin = (ms: number): void => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
};

// Proves that a delay is seen from within the turn of the loop that causes it, once it is over, and then no more.
it('tells how late the event loop is, while it is and afterwards', async () => {
  const watch = new LoopWatch();
  watch.start();
  onTestFinished(() => watch.stop());
  spin(150);
  const within = watch.take();
  expect(within.loopDelayMs).toBeGreaterThanOrEqual(120);
  expect(within.elapsedMs).toBeGreaterThanOrEqual(150);
  await new Promise((resolve) => setTimeout(resolve, 1));
  spin(150);
  await new Promise((resolve) => setTimeout(resolve, 60));
  const after = watch.take();
  expect(after.loopDelayMs).toBeGreaterThanOrEqual(120);
  expect(after.utilisation).toBeGreaterThan(0.2);
  expect(after.utilisation).toBeLessThanOrEqual(1);
});
