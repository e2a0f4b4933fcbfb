import { describe, expect, it } from 'vitest';
import { OptionsError, parseOptions } from './options.ts';
import { sharpCases } from './sharp-cases.ts';

describe('the options of a chaos run', () => {
  it('has defaults for everything and a random seed', () => {
    expect(parseOptions([], 42)).toEqual({
      rounds: 20,
      seed: 42,
      cases: ['random'],
      replay: undefined,
      stopsAtFirst: false,
    });
  });

  it('reads what is given', () => {
    const args = '--rounds 3 --seed 7 --case many-lanes,random --stop'.split(' ');
    expect(parseOptions(args, 42)).toMatchObject({
      rounds: 3,
      seed: 7,
      cases: ['many-lanes', 'random'],
      stopsAtFirst: true,
    });
    expect(parseOptions(['--case', 'all'], 42)).toMatchObject({ cases: ['random', ...sharpCases] });
    expect(parseOptions(['--replay', 'x.json'], 42)).toMatchObject({ rounds: 1, replay: 'x.json' });
    expect(parseOptions(['--help'], 42)).toBe('help');
  });

  it('names every fault in one message', () => {
    const parse = (): unknown => parseOptions('--rounds 0 --seed x --case none'.split(' '), 42);
    expect(parse).toThrow(OptionsError);
    for (const name of ['--rounds', '--seed', '--case']) expect(parse).toThrow(name);
    expect(() => parseOptions(['--round', '5'], 42)).toThrow(OptionsError);
  });
});
