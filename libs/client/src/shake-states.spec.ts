import { describe, expect, it } from 'vitest';
import { ShakeStates, shakeStatesMax } from './shake-states.ts';

describe('the signed shake states', () => {
  it('an answer replaces what was sent with its request, and nothing that came in between', () => {
    const states = new ShakeStates();
    states.replace([], 'first');
    const sent = states.current();
    states.replace([], 'credited meanwhile');
    states.replace(sent, 'hit');
    expect(states.current()).toEqual(['credited meanwhile', 'hit']);
  });

  it('keeps at most as many tokens as a gateway reads, the newest ones, each once', () => {
    const states = new ShakeStates();
    for (const token of ['a', 'b', 'c', 'c', 'd', 'e']) states.replace([], token);
    expect(states.current()).toEqual(['b', 'c', 'd', 'e']);
    expect(states.current()).toHaveLength(shakeStatesMax);
  });
});
