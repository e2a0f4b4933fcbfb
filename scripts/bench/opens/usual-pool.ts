const meanFen = 100;

/** A pool of so many packets of a yuan on average, each with three portions to share; how they are released is the event's business. */
export function usualPool(packetCount: number) {
  return {
    packetCount,
    budgetFen: packetCount * meanFen,
    minFen: 1,
    maxFen: 5 * meanFen,
    sharePortions: 3,
    shareBudgetFen: packetCount * 30,
  };
}
