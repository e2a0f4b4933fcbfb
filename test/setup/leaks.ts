import { afterAll, expect } from 'vitest';
import { unstoppedTestServers } from '#libs/localservers/testing';

// Registered before any of the file's own hooks, and so run after them.
afterAll(() => {
  expect(unstoppedTestServers(), 'test servers that this file started and did not stop').toEqual([]);
});
