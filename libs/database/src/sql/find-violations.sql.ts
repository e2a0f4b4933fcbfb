import { auditEvent, on } from '../audit-event.ts';
import type { Db } from '../pool.ts';
import type { Violation, ViolationRule } from '../violation.ts';

/**
 * Everything in the ledger of an event that breaks an invariant, up to `limitPerRule` findings of each rule; none when all is well.
 * Amounts are not derived anew: only who has the event's secret can. Use one `inSnapshot` for all of it.
 */
export async function findViolations(
  db: Db,
  { eventId, limitPerRule }: { eventId: number; limitPerRule: number },
): Promise<Violation[]> {
  const byRule = new Map<ViolationRule, Violation[]>();
  for await (const { violations } of auditEvent(on(db), eventId)) {
    for (const violation of violations) {
      const found = byRule.get(violation.rule) ?? [];
      if (found.length < limitPerRule) found.push(violation);
      byRule.set(violation.rule, found);
    }
  }
  return [...byRule.values()].flat();
}
