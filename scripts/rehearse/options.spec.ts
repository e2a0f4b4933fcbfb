import { describe, expect, it } from 'vitest';
import { OptionsError, parseOptions } from './options.ts';

describe('the options of a rehearsal', () => {
  it('has defaults for everything and a random seed', () => {
    expect(parseOptions([], 42)).toEqual({
      users: 2000,
      packets: 5000,
      durationMs: 60_000,
      seed: 42,
      gateways: 1,
      kill: [],
    });
  });

  it('reads what is given', () => {
    const args = '--users 100 --packets 300 --duration 20 --seed 7 --gateways 2 --kill redis,share'.split(' ');
    expect(parseOptions(args, 42)).toMatchObject({
      users: 100,
      packets: 300,
      durationMs: 20_000,
      seed: 7,
      gateways: 2,
      kill: ['redis', 'share'],
    });
    expect(parseOptions(['--help'], 42)).toBe('help');
  });

  it('names every fault in one message', () => {
    const args = '--users 3 --packets many --url ftp://x --ops http://127.0.0.1:1 --ops-token t --kill ops'.split(' ');
    const parse = (): unknown => parseOptions(args, 42);
    expect(parse).toThrow(OptionsError);
    for (const name of ['--users', '--packets', '--url', '--kill']) expect(parse).toThrow(name);
    expect(() => parseOptions(['--url', 'http://127.0.0.1:1'], 42)).toThrow('belong together');
    expect(() => parseOptions(['--user', '5'], 42)).toThrow(OptionsError);
  });
});
