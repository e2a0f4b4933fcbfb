// A page has a bounded size whatever is asked for.
import { expect, it } from 'vitest';
import { pageOf } from './page-query.ts';

it('has 50 entries unless asked otherwise', () => {
  expect(pageOf({})).toEqual({ limit: 50 });
  expect(pageOf({ limit: '200', cursor: '7' })).toEqual({ limit: 200, cursor: '7' });
});

it.each([
  { limit: '0' },
  { limit: '201' },
  { limit: 'many' },
  { limit: '1.5' },
  { cursor: '' },
  { cursor: ['1', '2'] },
])('refuses %j', (query) => {
  expect(() => pageOf(query)).toThrow(expect.objectContaining({ code: 'bad_request' }));
});
