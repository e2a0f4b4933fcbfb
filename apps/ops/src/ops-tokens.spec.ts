// Tokens give exactly their role, and their names tell them apart without giving them away.
import { expect, it } from 'vitest';
import { OpsTokens } from './ops-tokens.ts';

const operator = 'operator-token-of-a-test';
const viewer = 'viewer-token-of-the-test';

it('knows the role of a token', () => {
  const tokens = new OpsTokens(operator, viewer);
  expect([tokens.actorOf(operator)?.role, tokens.actorOf(viewer)?.role]).toEqual(['operator', 'viewer']);
});

it.each(['', 'operator-token-of-a-tes', `${operator} `, operator.toUpperCase()])('does not know %j', (token) => {
  expect(new OpsTokens(operator, viewer).actorOf(token)).toBeUndefined();
});

it('knows no viewer when there is none', () => {
  expect(new OpsTokens(operator, undefined).actorOf(viewer)).toBeUndefined();
});

it('gives an operator whose token is the viewer token as well the role that acts', () => {
  expect(new OpsTokens(operator, operator).actorOf(operator)?.role).toBe('operator');
});

it('names a token by a short hash', () => {
  const name = new OpsTokens(operator, viewer).actorOf(operator)?.name;
  expect(name).toMatch(/^operator:[0-9a-f]{8}$/);
  expect(new OpsTokens(`${operator}2`, viewer).actorOf(`${operator}2`)?.name).not.toBe(name);
});
