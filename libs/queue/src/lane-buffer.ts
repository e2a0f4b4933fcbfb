/** What an item is answered when its time passes while it waits in the buffer, and after it was taken to be enqueued. */
export interface LateAnswers<Answer> {
  readonly whileWaiting: Answer;
  readonly whenTaken: Answer;
}

/** An item on its way; the first settlement counts. */
export interface WaitingItem<Item, Answer> {
  readonly item: Item;
  /** Its time is over, though its timer may be late to say so: after a process was stopped, for one. */
  isLate(): boolean;
  settle(answer: Answer): void;
}

interface Entry<Item, Answer> extends WaitingItem<Item, Answer> {
  /** From here on the item is no longer in the buffer. */
  markTaken(): void;
  /** Gives the answer of an item whose time is over. */
  settleLate(): void;
}

/** Items that wait to be enqueued, in order of arrival, each for its own time at most. */
export class LaneBuffer<Item, Answer> {
  private readonly entries = new Set<Entry<Item, Answer>>();

  get size(): number {
    return this.entries.size;
  }

  /** Resolves when the item is settled, at the latest after `withinMs`. An item whose time passes leaves the buffer. */
  add(item: Item, withinMs: number, late: LateAnswers<Answer>): Promise<Answer> {
    const endsAt = performance.now() + withinMs;
    return new Promise((resolve) => {
      let lateAnswer = late.whileWaiting;
      const settle = (answer: Answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      const entry: Entry<Item, Answer> = {
        item,
        isLate: () => performance.now() >= endsAt,
        settle,
        settleLate: () => settle(lateAnswer),
        markTaken: () => {
          lateAnswer = late.whenTaken;
        },
      };
      const timer = setTimeout(() => {
        this.entries.delete(entry);
        entry.settleLate();
      }, withinMs);
      this.entries.add(entry);
    });
  }

  /** Takes up to `max` items, oldest first; one whose time is over leaves instead. */
  take(max: number): WaitingItem<Item, Answer>[] {
    const taken: Entry<Item, Answer>[] = [];
    for (const entry of this.entries) {
      if (taken.length >= max) break;
      this.entries.delete(entry);
      if (entry.isLate()) {
        entry.settleLate();
        continue;
      }
      entry.markTaken();
      taken.push(entry);
    }
    return taken;
  }
}
