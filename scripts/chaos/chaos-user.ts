import { setMaxListeners } from 'node:events';
import {
  type ClientLimits,
  deviceClock,
  HongbaoAbortedError,
  HongbaoClient,
  HongbaoProblemError,
  type OpenOutcome,
  type ShakeHit,
} from '#libs/client';
import { isPassingError } from '../rehearse/patience.ts';
import { type Random, randomOf } from '../rehearse/random.ts';
import type { CrowdScene, Friend } from './crowd-scene.ts';

/**
 * Impatient on purpose, as is the scene's `requestTimeoutMs`, and never giving up by itself, but of what the server puts off: the round's signal
 * does that.
 */
const limits: Partial<ClientLimits> = {
  backoffBaseMs: 30,
  backoffMaxMs: 300,
  retryAfterMaxMs: 250,
  retryBudgetMax: 1_000_000,
  retryBudgetRatio: 1,
  retryBudgetDripMs: 10,
  callTriesMax: 1_000_000,
  callMaxMs: 600_000,
  settleMaxMs: 600_000,
  pollMinMs: 40,
  pollMaxMs: 500,
  shakeWaitMaxMs: 1000,
  shakeSilenceMaxMs: 600_000,
};

const thinkMsMax = 250;
/** A late open comes so long before or after the ticket's end. */
const lateFromMs = -150;
const lateToMs = 700;
/** An app that is closed: so soon after it asked. */
const abandonMsMax = 400;
/** … and is opened again, at the latest this long after the ticket's end. */
const comebackLateMsMax = 900;
const againMsMax = 300;
const comebackMs = 100;
/** A ticket that is kept is opened at the latest this long before its end. */
const keptMarginMs = 300;

/** One person with two phones, one for each gateway; its habits and their order come from the seed. */
export class ChaosUser implements Friend {
  private readonly random: Random;
  private readonly signal: AbortSignal;
  private readonly phones: readonly HongbaoClient[];
  /** Tickets that were sent to be opened, and shares that were grabbed. */
  private readonly opened = new Set<string>();
  /** Of these the event's settlement decides: the store that knew was replaced. */
  private readonly putOff = new Set<string>();
  private readonly grabbed = new Set<string>();

  constructor(
    private readonly scene: CrowdScene,
    readonly userId: string,
    token: string,
  ) {
    const { plan, gatewayUrls, requestTimeoutMs, recorder } = scene;
    const name = `round ${plan.round} ${userId}`;
    this.random = randomOf(plan.seed, name);
    this.signal = AbortSignal.any([scene.signal]);
    // Each request under way listens.
    setMaxListeners(0, this.signal);
    this.phones = gatewayUrls.map((baseUrl, gateway) => {
      const random = randomOf(plan.seed, `${name} phone ${gateway}`);
      return new HongbaoClient({
        baseUrl,
        token,
        limits: { ...limits, requestTimeoutMs, pollsPerReopen: plan.crowd.pollsPerReopen },
        random: () => random.next(),
        fetch: recorder.fetchOf(userId, gateway),
      });
    });
  }

  /** Shakes on one phone or on both until the event is over. */
  async live(): Promise<void> {
    const { random, scene } = this;
    const first = random.integer(0, this.phones.length - 1);
    const isDouble = random.chance(scene.plan.crowd.withTwoPhones);
    await deviceClock.sleep(scene.startMs - Date.now() + random.next() * thinkMsMax, this.signal);
    const shaking = isDouble ? this.phones : [this.phones[first]!];
    await Promise.all(shaking.map((phone) => this.shake(phone)));
  }

  /** What was put off until the event is settled, which it now is: each has to have an outcome. */
  questionsPutOff(): (() => Promise<void>)[] {
    return [...this.putOff].map((ticket) => async () => {
      const { outcome } = await this.open(this.anyPhone(), ticket);
      if (outcome === 'unsettled' && !this.signal.aborted)
        throw new Error('an open is put off though its event is settled');
    });
  }

  /** Whatever this user asked for, once more: `share` is the part of it, of 1. */
  questions(share: number): (() => Promise<void>)[] {
    const opens = [...this.opened].map((ticket) => async () => void (await this.open(this.anyPhone(), ticket)));
    const grabs = [...this.grabbed].map((shareToken) => async () => this.grabOnce(this.anyPhone(), shareToken));
    return [...opens, ...grabs].filter(() => this.random.chance(share));
  }

  private async shake(phone: HongbaoClient): Promise<void> {
    const { scene, signal } = this;
    while (!signal.aborted) {
      try {
        await phone.shakeLoop(scene.eventId, {
          signal,
          onHit: (hit) => scene.tasks.run('open', () => this.handle(phone, hit)),
        });
        return;
      } catch (error) {
        const isUnknown = error instanceof HongbaoProblemError && error.code === 'event_unknown';
        if (!isUnknown && !isPassingError(error)) throw error;
        if (Date.now() > scene.endMs) return;
        await deviceClock.sleep(comebackMs, signal);
      }
    }
  }

  private async handle(phone: HongbaoClient, hit: ShakeHit): Promise<void> {
    const { random, scene } = this;
    const { crowd } = scene.plan;
    if (random.chance(crowd.sharedUnopened)) scene.tasks.run('share', () => this.share(hit.packetId, hit.ticket));
    if (random.chance(crowd.neverOpened)) return scene.recorder.count('tickets never opened');
    await this.awaitMoment(Date.parse(hit.expiresAt));
    const outcome = random.chance(crowd.brokenOff)
      ? await this.openWithAbreak(phone, hit)
      : await this.openSomehow(phone, hit.ticket);
    await this.openAgain(phone, hit.ticket);
    if (outcome?.outcome !== 'credited') return;
    if (outcome.packet.share.portions > 0 && random.chance(crowd.shared)) {
      await this.share(hit.packetId, random.chance(0.7) ? hit.ticket : undefined);
    }
  }

  private async awaitMoment(expiresAtMs: number): Promise<void> {
    const { random, scene } = this;
    const { openedLate, openTogetherMs } = scene.plan.crowd;
    let atMs = Date.now() + random.next() * thinkMsMax;
    if (random.chance(openedLate)) {
      atMs = expiresAtMs + random.integer(lateFromMs, lateToMs);
    } else if (openTogetherMs > 0) {
      const periods = Math.ceil((Date.now() - scene.startMs) / openTogetherMs);
      atMs = Math.min(scene.startMs + periods * openTogetherMs, expiresAtMs - keptMarginMs);
    }
    await deviceClock.sleep(atMs - Date.now(), this.signal);
  }

  /** Once, or several times at once on both phones. */
  private async openSomehow(phone: HongbaoClient, ticket: string): Promise<OpenOutcome | undefined> {
    const { random, scene } = this;
    if (!random.chance(scene.plan.crowd.repeats)) return await this.open(phone, ticket);
    const times = random.integer(2, 4);
    scene.recorder.count('repeats', times - 1);
    const opens = Array.from({ length: times }, (_, no) => this.open(this.phones[no % this.phones.length]!, ticket));
    return (await Promise.all(opens))[0];
  }

  /** The app is closed while it opens; what it kept is taken up on the other phone. */
  private async openWithAbreak(
    phone: HongbaoClient,
    { ticket, expiresAt }: ShakeHit,
  ): Promise<OpenOutcome | undefined> {
    const { random, signal, scene } = this;
    const closing = new AbortController();
    const timer = setTimeout(() => closing.abort(), random.next() * abandonMsMax);
    this.opened.add(ticket);
    const outcome = await phone.open(ticket, { signal: AbortSignal.any([closing.signal, signal]) });
    clearTimeout(timer);
    if (outcome.outcome !== 'unsettled') return outcome;
    if (random.chance(0.5)) {
      await deviceClock.sleep(Date.parse(expiresAt) - Date.now() + random.next() * comebackLateMsMax, signal);
    }
    scene.recorder.count('repeats');
    const other = this.phones.find((one) => one !== phone) ?? phone;
    other.restore([outcome.entry]);
    return await this.open(other, ticket);
  }

  private async openAgain(phone: HongbaoClient, ticket: string): Promise<void> {
    const { random, scene } = this;
    for (const again of [phone, this.anyPhone()]) {
      if (!random.chance(scene.plan.crowd.repeats)) continue;
      await deviceClock.sleep(random.next() * againMsMax, this.signal);
      scene.recorder.count('repeats');
      await this.open(again, ticket);
    }
  }

  private async open(phone: HongbaoClient, ticket: string): Promise<OpenOutcome> {
    this.opened.add(ticket);
    const outcome = await phone.open(ticket, { signal: this.signal });
    if (outcome.outcome === 'unsettled' && outcome.reason === 'put_off' && !this.putOff.has(ticket)) {
      this.putOff.add(ticket);
      this.scene.recorder.count('tickets put off until settled');
    }
    return outcome;
  }

  private async share(packetId: string, ticket: string | undefined): Promise<void> {
    const { random, scene, signal } = this;
    const outcome = await this.anyPhone().share(packetId, ticket, { signal });
    scene.recorder.count(`share ${outcome.outcome}`);
    if (outcome.outcome !== 'shared') return;
    const { shareToken } = outcome.share;
    if (random.chance(scene.plan.crowd.repeats)) await this.anyPhone().share(packetId, ticket, { signal });
    const guests = scene.friends(random.integer(1, Math.max(1, scene.plan.crowd.friendsMax)), this);
    if (random.chance(0.3)) guests.push(this);
    for (const guest of guests) scene.tasks.run('grab', () => guest.grab(shareToken));
  }

  /** Called by the friend who sent the share. */
  async grab(shareToken: string): Promise<void> {
    const { random, scene } = this;
    await deviceClock.sleep(random.next() * thinkMsMax, this.signal);
    const { repeats } = scene.plan.crowd;
    const phones = random.chance(repeats) ? this.phones : [this.anyPhone()];
    await Promise.all(phones.map((phone) => this.grabOnce(phone, shareToken)));
    if (!random.chance(repeats)) return;
    scene.recorder.count('repeats');
    await this.grabOnce(this.anyPhone(), shareToken);
  }

  private async grabOnce(phone: HongbaoClient, shareToken: string): Promise<void> {
    this.grabbed.add(shareToken);
    const { outcome } = await phone.grab(shareToken, { signal: this.signal });
    if (outcome === 'unsettled') throw new HongbaoAbortedError('a grab was given up');
  }

  private anyPhone(): HongbaoClient {
    return this.phones[this.random.integer(0, this.phones.length - 1)]!;
  }
}
