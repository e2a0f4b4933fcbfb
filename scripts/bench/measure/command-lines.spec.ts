import { expect, test } from 'vitest';
import { addressesIn, CommandCounter } from './command-lines.ts';
import { monitoredSource } from './redis-monitor.ts';

const clients = [
  'id=3 addr=127.0.0.1:5001 laddr=127.0.0.1:6379 fd=8 name=bench-0.cache db=0',
  'id=4 addr=127.0.0.1:5002 laddr=127.0.0.1:6379 fd=9 name=bench-1.producer db=0',
  'id=5 addr=127.0.0.1:5003 laddr=127.0.0.1:6379 fd=10 name= db=0',
].join('\n');

test('connections are found by their name', () => {
  expect(addressesIn(clients, (name) => name.startsWith('bench-0.'))).toEqual(new Set(['127.0.0.1:5001']));
  expect(addressesIn(clients, (name) => name !== '').size).toBe(2);
});

test('commands of a script belong to whoever ran it, and are not sent', () => {
  const counter = new CommandCounter(new Set(['ours']));
  for (const source of ['ours', 'other', 'lua', 'lua', 'ours', 'lua', 'lua', 'lua', 'other']) counter.add(source);
  expect(counter.count).toEqual({ sent: 2, executed: 5 });
});

test('a line of MONITOR names its source; other answers have none', () => {
  const lines = ['+1795265354.129338 [0 127.0.0.1:5001] "get" "a"', '+1.5 [0 lua] "info"', '+OK', '-ERR no'];
  expect(lines.map(monitoredSource)).toEqual(['127.0.0.1:5001', 'lua', undefined, undefined]);
});
