import { Alarm } from './alarm.ts';

/** Items whose time is over are looked for at most this often, however unlike their times are. */
const looksApartMs = 5;

/** What an item is answered when its time passes while it waits in the buffer, and after it was taken to be enqueued. */
export interface LateAnswers<Answer> {
  readonly whileWaiting: Answer;
  readonly whenTaken: Answer;
}

/** An item on its way; the first settlement counts. */
export interface WaitingItem<Item, Answer> {
  readonly item: Item;
  /** Its time is over, though nobody may have said so yet: after a process was stopped, for one. */
  isLate(): boolean;
  settle(answer: Answer): void;
}

/** Items that wait to be enqueued, in order of arrival, each for its own time at most. One timer watches over all of them. */
export class LaneBuffer<Item, Answer> {
  private readonly waiting = new Set<Entry<Item, Answer>>();
  /** The waiting ones, and the ones that were taken and have no answer yet. */
  private readonly unsettled = new Set<Entry<Item, Answer>>();
  private readonly alarm = new Alarm(() => this.settleLate());

  get size(): number {
    return this.waiting.size;
  }

  /** Resolves when the item is settled, at the latest (by some ms) after `withinMs`. An item whose time passes leaves the buffer. */
  add(item: Item, withinMs: number, late: LateAnswers<Answer>): Promise<Answer> {
    const endsAtMs = performance.now() + withinMs;
    return new Promise((resolve) => {
      const entry = new Entry(item, endsAtMs, late, resolve, this);
      this.waiting.add(entry);
      this.unsettled.add(entry);
      this.alarm.ringBy(endsAtMs);
    });
  }

  /** Takes up to `max` items, oldest first; one whose time is over leaves instead. */
  take(max: number): WaitingItem<Item, Answer>[] {
    const taken: Entry<Item, Answer>[] = [];
    for (const entry of this.waiting) {
      if (taken.length >= max) break;
      this.waiting.delete(entry);
      if (entry.isLate()) {
        entry.settleLate();
        continue;
      }
      entry.isTaken = true;
      taken.push(entry);
    }
    return taken;
  }

  /** Of an entry that has its answer. False: it had one already. */
  forget(entry: Entry<Item, Answer>): boolean {
    if (!this.unsettled.delete(entry)) return false;
    if (this.unsettled.size === 0) this.alarm.stop();
    return true;
  }

  private settleLate(): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const entry of this.unsettled) {
      if (!entry.isLate()) {
        nextMs = Math.min(nextMs, entry.endsAtMs);
        continue;
      }
      this.waiting.delete(entry);
      entry.settleLate();
    }
    if (this.unsettled.size > 0) this.alarm.ringBy(Math.max(nextMs, performance.now() + looksApartMs));
  }
}

class Entry<Item, Answer> implements WaitingItem<Item, Answer> {
  /** From then on the item is no longer in the buffer. */
  isTaken = false;

  constructor(
    readonly item: Item,
    readonly endsAtMs: number,
    private readonly late: LateAnswers<Answer>,
    private readonly resolve: (answer: Answer) => void,
    private readonly buffer: Pick<LaneBuffer<Item, Answer>, 'forget'>,
  ) {}

  isLate(): boolean {
    return performance.now() >= this.endsAtMs;
  }

  settle(answer: Answer): void {
    if (this.buffer.forget(this)) this.resolve(answer);
  }

  settleLate(): void {
    this.settle(this.isTaken ? this.late.whenTaken : this.late.whileWaiting);
  }
}
