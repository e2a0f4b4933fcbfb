import { expect, test } from 'vitest';
import { settleCallsIn, settledBetween } from './settle-calls.ts';

const metrics = (calls: number, items: number) => `# TYPE hongbao_settle_call_items histogram
hongbao_settle_call_items_bucket{le="4",kind="open",service="allocation"} 3
hongbao_settle_call_items_sum{kind="open",service="allocation"} ${items}
hongbao_settle_call_items_count{kind="open",service="allocation"} ${calls}
hongbao_settle_call_items_count{kind="grab",service="allocation"} 99
hongbao_settle_call_seconds_sum{kind="open",service="allocation"} 0.25
hongbao_settle_repeats_total{kind="open",reason="conflict",service="allocation"} 2
hongbao_settle_repeats_total{kind="open",reason="away",service="allocation"} 1
`;

test('calls of opens alone count, with the mean size of those between two readings', () => {
  const before = settleCallsIn(metrics(10, 1000));
  expect(before).toEqual({ calls: 10, items: 1000, seconds: 0.25, repeats: 3, itemsPerCall: 100 });
  expect(settledBetween(before, settleCallsIn(metrics(14, 1800)))).toMatchObject({ calls: 4, itemsPerCall: 200 });
  expect(settleCallsIn('')).toMatchObject({ calls: 0, itemsPerCall: 0 });
});
