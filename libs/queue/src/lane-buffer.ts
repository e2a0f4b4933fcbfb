/** What an item is answered when its time passes while it waits in the buffer, and after it was taken to be enqueued. */
export interface LateAnswers<Answer> {
  readonly whileWaiting: Answer;
  readonly whenTaken: Answer;
}

/** An item on its way; the first settlement counts. */
export interface WaitingItem<Item, Answer> {
  readonly item: Item;
  settle(answer: Answer): void;
}

interface Entry<Item, Answer> extends WaitingItem<Item, Answer> {
  /** From here on the item is no longer in the buffer. */
  markTaken(): void;
}

/** Items that wait to be enqueued, in order of arrival, each for its own time at most. */
export class LaneBuffer<Item, Answer> {
  private readonly entries = new Set<Entry<Item, Answer>>();

  get size(): number {
    return this.entries.size;
  }

  /** Resolves when the item is settled, at the latest after `withinMs`. An item whose time passes leaves the buffer. */
  add(item: Item, withinMs: number, late: LateAnswers<Answer>): Promise<Answer> {
    return new Promise((resolve) => {
      let lateAnswer = late.whileWaiting;
      const timer = setTimeout(() => {
        this.entries.delete(entry);
        resolve(lateAnswer);
      }, withinMs);
      const entry: Entry<Item, Answer> = {
        item,
        settle: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        markTaken: () => {
          lateAnswer = late.whenTaken;
        },
      };
      this.entries.add(entry);
    });
  }

  /** Takes up to `max` items, oldest first. */
  take(max: number): WaitingItem<Item, Answer>[] {
    const taken: Entry<Item, Answer>[] = [];
    for (const entry of this.entries) {
      if (taken.length >= max) break;
      this.entries.delete(entry);
      entry.markTaken();
      taken.push(entry);
    }
    return taken;
  }
}
