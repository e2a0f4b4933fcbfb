import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, loadConfig } from './config.ts';

const schema = z.object({
  PORT: z.coerce.number().int(),
  TOKEN: z.string().min(16),
  MODE: z.enum(['on', 'off']).default('off'),
});

describe('loadConfig', () => {
  it('names every bad setting in one message, and no value', () => {
    const start = () => loadConfig('gateway', schema, { PORT: 'abc', TOKEN: 'hunter2', MODE: '' });
    expect(start).toThrow(ConfigError);
    expect(start).toThrow(/gateway.*2 bad setting\(s\)[\s\S]*PORT[\s\S]*TOKEN/);
    expect(start).not.toThrow(/hunter2/);
  });

  it('says of an absent setting that it is missing, and takes an empty one for absent', () => {
    expect(() => loadConfig('gateway', schema, { PORT: '1', TOKEN: '' })).toThrow('TOKEN: is missing');
  });

  it('gives a frozen result with defaults', () => {
    const config = loadConfig('gateway', schema, { PORT: '1', TOKEN: 'x'.repeat(16) });
    expect(config).toEqual({ PORT: 1, TOKEN: 'x'.repeat(16), MODE: 'off' });
    expect(Object.isFrozen(config)).toBe(true);
  });
});
