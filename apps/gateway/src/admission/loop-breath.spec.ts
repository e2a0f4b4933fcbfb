import { afterEach, describe, expect, it } from 'vitest';
import { LoopBreath } from './loop-breath.ts';

describe('a breath of the event loop', () => {
  let overdueMs = 0;
  let given = 0;
  const breath = new LoopBreath({ overdueMs: () => overdueMs }, () => {
    given += 1;
  });
  breath.start();
  afterEach(() => breath.stop());

  it('is asked for once when timers are late, and again when it was taken', () => {
    breath.check();
    expect(given).toBe(0);
    overdueMs = 60;
    breath.check();
    breath.check();
    expect(given).toBe(1);
    process.emit('SIGURG', 'SIGURG');
    breath.check();
    expect([given, breath.given]).toEqual([2, 2]);
  });

  it('leaves nobody listening behind', () => expect(process.listenerCount('SIGURG')).toBe(0));
});
