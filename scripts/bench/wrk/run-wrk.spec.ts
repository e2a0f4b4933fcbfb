import { expect, test } from 'vitest';
import { readFigures } from './run-wrk.ts';

test('the figures are the JSON line among what wrk says', () => {
  const figures = '{"requests":9,"micros":10,"bytes":11,"failed":0,"refused":0,"p50Micros":1,"p99Micros":2}';
  expect(readFigures(`Running 3s test\n  1 threads\n${figures}\nTransfer/sec: 1MB\n`)).toMatchObject({ requests: 9 });
  expect(() => readFigures('Running 3s test\nunable to connect')).toThrow('unable to connect');
});
