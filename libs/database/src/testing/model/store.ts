import { laneOfBlock, packetRefOf } from '#libs/domain';
import type { StockedBlockRow } from '../../sql/stock-blocks.sql.ts';
import type { TicketKey } from './reference.ts';

export interface Ticket extends TicketKey {
  readonly sponsorNo: number;
  readonly expiresAtMs: number;
}

/** An open that was found good at `acceptedAtMs`. */
export interface Acceptance {
  readonly ticket: Ticket;
  readonly acceptedAtMs: number;
  /** A fault of the program: settling it fails until somebody has mended it and replays the letter. */
  readonly isPoison: boolean;
  /** The user has a receipt: its job was durable. */
  isDurable: boolean;
}

export interface Job {
  readonly id: number;
  readonly lane: number;
  readonly acceptance: Acceptance;
}

interface Contents {
  stamp: number | undefined;
  readonly lists: ReadonlyMap<number, readonly StockedBlockRow[]>;
  readonly outstanding: ReadonlyMap<number, Job>;
  readonly jobs: ReadonlyMap<number, Job>;
}

export const openLaneCount = 4;

/** What Redis holds, and what can become of it. `runId` is the server's, `stamp` the one that the stock was laid on. */
export class Store {
  runId = 1;
  stamp: number | undefined = 1;
  private lists = new Map<number, StockedBlockRow[]>();
  private outstanding = new Map<number, Job>();
  private jobs = new Map<number, Job>();
  private kept: Contents | undefined;

  get isStamped(): boolean {
    return this.stamp === this.runId;
  }

  push(stamp: number, blocks: readonly StockedBlockRow[]): void {
    if (this.runId !== stamp || this.stamp !== stamp) return;
    for (const block of blocks) this.lists.set(block.poolId, [...(this.lists.get(block.poolId) ?? []), block]);
  }

  /** The next block that may still be issued; those past their time leave the list. */
  pop(poolId: number, nowMs: number): StockedBlockRow | undefined {
    if (!this.isStamped) return undefined;
    const list = this.lists.get(poolId) ?? [];
    while (list.length > 0 && list[0]!.issueUntilMs <= nowMs) list.shift();
    return list.shift();
  }

  hasStock(poolId: number, nowMs: number): boolean {
    return this.isStamped && (this.lists.get(poolId) ?? []).some(({ issueUntilMs }) => nowMs < issueUntilMs);
  }

  reset(runId: number): void {
    if (this.runId !== runId) return;
    this.lists.clear();
    this.stamp = runId;
  }

  /** Accepted, and before its job: from here on its block is not reclaimed. */
  enter(job: Job): void {
    this.outstanding.set(job.id, job);
  }

  enqueue(job: Job): void {
    this.jobs.set(job.id, job);
  }

  leave(jobs: readonly Job[]): void {
    for (const { id } of jobs) this.outstanding.delete(id);
  }

  finish(jobs: readonly Job[]): void {
    for (const { id } of jobs) this.jobs.delete(id);
  }

  waiting(): Job[] {
    return [...this.jobs.values()];
  }

  has(acceptance: Acceptance): boolean {
    return this.waiting().some((job) => job.acceptance === acceptance);
  }

  oldestAcceptedMs(lane: number): number | undefined {
    const times = [...this.outstanding.values()].filter((job) => job.lane === lane);
    return times.length === 0 ? undefined : Math.min(...times.map((job) => job.acceptance.acceptedAtMs));
  }

  /** Entries that have had no job for long. */
  dropOrphans(acceptedBeforeMs: number): void {
    for (const [id, { acceptance }] of this.outstanding)
      if (!this.jobs.has(id) && acceptance.acceptedAtMs < acceptedBeforeMs) this.outstanding.delete(id);
  }

  /** What a replica that falls behind from now on will have. */
  keep(): void {
    const { stamp, lists, outstanding, jobs } = this;
    const copy = new Map([...lists].map(([poolId, list]) => [poolId, [...list]]));
    this.kept = { stamp, lists: copy, outstanding: new Map(outstanding), jobs: new Map(jobs) };
  }

  /** The server dies; the next one is empty, or a replica that has what was kept last. */
  replace(by: 'empty' | 'stale'): void {
    const next = by === 'stale' ? this.kept : undefined;
    this.runId += 1;
    this.stamp = next?.stamp;
    this.lists = new Map([...(next?.lists ?? [])].map(([poolId, list]) => [poolId, [...list]]));
    this.outstanding = new Map(next?.outstanding);
    this.jobs = new Map(next?.jobs);
  }
}

export function laneOf(packetId: bigint): number {
  const { poolId, blockNo } = packetRefOf(packetId);
  return laneOfBlock(poolId, blockNo, openLaneCount);
}
