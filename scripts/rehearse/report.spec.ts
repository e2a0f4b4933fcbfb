import { describe, expect, it } from 'vitest';
import type { Reconciliation } from '#libs/contracts';
import type { RehearsalResult } from './rehearsal.ts';
import { lastLine, reportHtml, summaryLines } from './report.ts';

const proof: Reconciliation = {
  balanced: true,
  budgetFen: 10,
  grantedFen: 4,
  grabbedFen: 3,
  refundedFen: 3,
  unclaimedFen: 0,
  packets: { planned: 1, stocked: 1, issued: 1, granted: 1 },
  pools: [],
  violations: [],
  asOf: '2026-02-16T20:00:00Z',
};
const result: RehearsalResult = {
  eventId: '7',
  startedAt: '2026-02-16T20:00:00.000Z',
  options: { users: 50, packets: 100, durationMs: 20_000, seed: 1, gateways: 1, kill: [] },
  outcomes: { shake: { miss: 9, hit: 1 }, defect: {} },
  latencies: { shake: { count: 10, p50Ms: 1, p90Ms: 2, p99Ms: 3, maxMs: 4 } },
  driverDelayP99Ms: 10.5,
  beforeSettle: proof,
  afterSettle: proof,
  violations: ['<b>ann</b> was told 1, then 2'],
  samples: [],
};

describe('the report', () => {
  it('ends with the money proof and its figures', () => {
    expect(lastLine(result)).toBe(
      'balanced: budget = granted + grabbed + refunded + unclaimed (10 = 4 + 3 + 3 + 0 fen)',
    );
    expect(lastLine({ ...result, afterSettle: { ...proof, balanced: false } })).toMatch(/^NOT BALANCED/);
    expect(lastLine({ ...result, afterSettle: undefined })).toMatch(/^NOT SETTLED/);
  });

  it('lists outcomes, latencies and violations', () => {
    const text = summaryLines(result).join('\n');
    expect(text).toContain('miss 9 · hit 1');
    expect(text).toContain('VIOLATION <b>ann</b>');
    expect(text).not.toContain('defect');
  });

  it('is one HTML page that needs nothing beside it and escapes what it quotes', () => {
    const html = reportHtml(result);
    expect(html).toContain('&lt;b&gt;ann');
    expect(html).not.toMatch(/<script|src=|href=/);
  });
});
