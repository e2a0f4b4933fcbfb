import type { DegradationState } from '#libs/contracts';
import type { Tier } from '#libs/domain';
import type { FeatureKey, FeatureMode } from './catalogue.ts';
import { type EffectiveState, effectiveState, initialState } from './state.ts';

/** Where documents come from. `read` may reject, and must end by itself (the client's command timeout). */
export interface DegradationSource {
  /** The stored document, undefined when there is none. */
  read(): Promise<DegradationState | undefined>;
  /** Calls back with each pushed document until the returned function is called; resubscribes by itself. */
  subscribe(onState: (state: DegradationState) => void): () => void;
}

export interface DegradationHolderOptions {
  readonly source: DegradationSource;
  /** Milliseconds since the epoch; end times are compared with it. Default: this machine's clock. */
  readonly nowMs?: () => number;
  /** The fallback of the push: at most this old is what a process knows while the source answers. */
  readonly pollIntervalMs?: number;
  /** Told of a source that fails and of one that works again; never needed for the holder to go on. */
  readonly onSource?: (health: { readonly isReachable: boolean; readonly cause?: unknown }) => void;
}

const pollIntervalDefaultMs = 1000;
/** Tier 2: clients poll a third as often. */
const thinPollFactor = 3;

/**
 * This process's copy of the degradation document: pushed, polled as a fallback, and the last known one kept when the source is
 * away. Its questions never throw, wait or allocate, so that the hottest path may ask them.
 */
export class DegradationHolder {
  private document = initialState();
  private effective: EffectiveState = effectiveState(this.document, 0);
  /** What the listeners were told last. */
  private told: EffectiveState = this.effective;
  private readonly listeners = new Set<(effective: EffectiveState) => void>();
  private readonly nowMs: () => number;
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private unsubscribe: (() => void) | undefined;
  private isReachable = true;

  constructor(private readonly options: DegradationHolderOptions) {
    this.nowMs = options.nowMs ?? Date.now;
  }

  /** The tier that holds now, 0 to 5. */
  tier(): Tier {
    return this.now().tier;
  }

  modeOf(key: FeatureKey): FeatureMode {
    return this.now().modes[key];
  }

  isOn(key: FeatureKey): boolean {
    return this.now().modes[key] !== 'off';
  }

  /** Every feature as `on` or `off`: the same object as long as nothing changes. */
  flags(): EffectiveState['flags'] {
    return this.now().flags;
  }

  /** How long a client should wait before it polls again, in milliseconds, when `baseMs` is right at tier 0. */
  pollAfterMs(baseMs: number): number {
    return this.now().modes.status === 'full' ? baseMs : baseMs * thinPollFactor;
  }

  /** The last known document; version 0 when none was ever heard of. */
  state(): DegradationState {
    return this.document;
  }

  /** Takes a document if it is newer than the one in hand. */
  accept(document: DegradationState): void {
    if (document.version <= this.document.version) return;
    this.document = document;
    this.effective = effectiveState(document, this.nowMs());
    this.tellListeners();
  }

  /**
   * Calls back at once, after each document that is taken and, within a poll, after an end time has passed. Returns "stop".
   * A listener may not throw.
   */
  onChange(listener: (effective: EffectiveState) => void): () => void {
    this.listeners.add(listener);
    listener(this.now());
    return () => this.listeners.delete(listener);
  }

  /** Begins to listen and to poll. Resolves after the first try, whether or not the source was there; never rejects. */
  async start(): Promise<void> {
    if (this.timer !== undefined) return;
    this.unsubscribe = this.options.source.subscribe((document) => this.accept(document));
    this.timer = setInterval(() => void this.poll(), this.options.pollIntervalMs ?? pollIntervalDefaultMs);
    this.timer.unref();
    await this.poll();
  }

  /** Ends listening and polling; what is known stays answerable. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    this.unsubscribe?.();
    this.unsubscribe = undefined;
    await this.polling;
  }

  /** Never calls listeners: the hot path asks here. */
  private now(): EffectiveState {
    const nowMs = this.nowMs();
    if (nowMs >= this.effective.untilMs) this.effective = effectiveState(this.document, nowMs);
    return this.effective;
  }

  private tellListeners(): void {
    const effective = this.now();
    if (effective === this.told) return;
    this.told = effective;
    for (const listener of this.listeners) listener(effective);
  }

  /** One poll at a time: a slow source must not pile them up. */
  private poll(): Promise<void> {
    this.polling ??= this.pollOnce().finally(() => {
      this.polling = undefined;
    });
    return this.polling;
  }

  private async pollOnce(): Promise<void> {
    this.tellListeners();
    try {
      const document = await this.options.source.read();
      if (document !== undefined) this.accept(document);
      this.tell(true);
    } catch (cause) {
      this.tell(false, cause);
    }
  }

  private tell(isReachable: boolean, cause?: unknown): void {
    if (this.isReachable === isReachable) return;
    this.isReachable = isReachable;
    this.options.onSource?.({ isReachable, cause });
  }
}
