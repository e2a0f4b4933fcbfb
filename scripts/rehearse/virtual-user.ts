import { deviceClock, type HongbaoClient, type OpenOutcome, type ShakeHit, type ShakeLoopEnd } from '#libs/client';
import type { CreditedPacket } from '#libs/contracts';
import { insist } from './patience.ts';
import { type Random, randomOf } from './random.ts';
import { newClient, ownSignal, type Scene, serverNowMs, sleepUntil } from './scene.ts';

/** How often people do what; parts of 1. */
const habits = {
  arrivesLate: 0.12,
  /** Of users: shakes, wins and never opens anything. */
  neverOpens: 0.04,
  /** Of tickets. */
  forgetsTicket: 0.03,
  opensTwiceAtOnce: 0.04,
  opensAgainLater: 0.04,
  sharesBeforeOpening: 0.04,
  /** Of credited packets. */
  shares: 0.4,
  sharesWithTicket: 0.7,
  /** Of shares. */
  ownerGrabs: 0.3,
  looksAtSharePage: 0.3,
  /** Of grabs. */
  grabsTwice: 0.1,
} as const;

const thinkMsMax = 1500;
const friendsMax = 7;
const repeatsMax = 3;

/** Who may be sent a share: users that have a session. */
export interface Friends {
  join(user: VirtualUser): void;
  pick(random: Random, count: number, except: VirtualUser): VirtualUser[];
}

/** One person with one phone: shakes through the SDK, opens what it wins, shares with friends, as its seed tells. */
export class VirtualUser {
  readonly client: HongbaoClient;
  private readonly random: Random;
  private readonly signal: AbortSignal;
  private readonly neverOpens: boolean;
  private readonly arrivesAtMs: number;

  constructor(
    private readonly scene: Scene,
    private readonly friends: Friends,
    readonly userId: string,
    arrivalsFromMs: number,
  ) {
    this.random = randomOf(scene.seed, userId);
    // The SDK has a stream of its own: how often it must try again does not change what the person does.
    this.client = newClient(scene, randomOf(scene.seed, `${userId}/sdk`), { userId });
    this.signal = ownSignal(scene);
    this.neverOpens = this.random.chance(habits.neverOpens);
    this.arrivesAtMs = arrivalMs(scene, this.random, arrivalsFromMs);
  }

  /** Arrives, shakes until the event is over or the limit is reached; tickets and shares go on beside it. */
  async live(): Promise<void> {
    const { scene } = this;
    await sleepUntil(scene, this.arrivesAtMs, this.signal);
    if (this.signal.aborted) return;
    await insist(() => this.client.createSession(), this.signal);
    scene.meters.counters.add('users.joined');
    this.friends.join(this);
    const { end } = await insist(() => this.shake(), this.signal);
    scene.meters.counters.add(`users.${end}`);
  }

  /** Grabs from a friend's share, sometimes twice at once. */
  async grab(shareToken: string, packetId: string): Promise<void> {
    const { scene, random } = this;
    await this.think();
    const times = random.chance(habits.grabsTwice) ? 2 : 1;
    await Promise.all(Array.from({ length: times }, () => this.grabOnce(shareToken, packetId)));
    scene.meters.counters.add('grabs.asked', times);
  }

  private shake(): Promise<ShakeLoopEnd> {
    const { eventId, meters } = this.scene;
    return this.client.shakeLoop(eventId, {
      signal: this.signal,
      onHit: (hit) => this.win(hit),
      onAnswer: ({ result }) => meters.counters.add(`shake.${result}`),
    });
  }

  private win(hit: ShakeHit): void {
    this.scene.journal.hit(this.userId, hit, serverNowMs(this.scene));
    this.scene.tasks.run('open', () => this.handle(hit));
  }

  private async handle(hit: ShakeHit): Promise<void> {
    const { scene, random } = this;
    if (this.neverOpens || random.chance(habits.forgetsTicket)) {
      scene.meters.counters.add('tickets.never opened');
      return;
    }
    if (random.chance(habits.sharesBeforeOpening)) {
      scene.tasks.run('share', () => this.share(hit.packetId, hit.ticket));
    }
    await this.think();
    const atOnce = random.chance(habits.opensTwiceAtOnce) ? random.integer(2, repeatsMax) : 1;
    const [outcome] = await Promise.all(Array.from({ length: atOnce }, () => this.open(hit.ticket)));
    scene.meters.counters.add('opens.repeated', atOnce - 1);
    if (random.chance(habits.opensAgainLater)) await this.openAgain(hit.ticket);
    if (outcome?.outcome === 'credited') await this.enjoy(outcome.packet, hit.ticket);
  }

  private async openAgain(ticket: string): Promise<void> {
    const times = this.random.integer(1, repeatsMax);
    for (let time = 0; time < times; time += 1) await this.open(ticket);
    this.scene.meters.counters.add('opens.repeated', times);
  }

  private open(ticket: string): Promise<OpenOutcome> {
    return openMeasured(this.scene, this.client, ticket, this.signal);
  }

  private async enjoy(packet: CreditedPacket, ticket: string): Promise<void> {
    if (packet.share.portions === 0 || !this.random.chance(habits.shares)) return;
    await this.share(packet.packetId, this.random.chance(habits.sharesWithTicket) ? ticket : undefined);
  }

  private async share(packetId: string, ticket: string | undefined): Promise<void> {
    const { scene, random } = this;
    const options = { signal: this.signal };
    const outcome = await this.client.share(packetId, ticket, options);
    scene.meters.counters.add(`share.${outcome.outcome}`);
    if (outcome.outcome !== 'shared') return;
    const { shareToken } = outcome.share;
    const guests = this.friends.pick(random, random.integer(1, friendsMax), this);
    if (random.chance(habits.ownerGrabs)) guests.push(this);
    for (const guest of guests) scene.tasks.run('grab', () => guest.grab(shareToken, packetId));
    if (!random.chance(habits.looksAtSharePage)) return;
    const page = await this.client.sharePage(shareToken, options);
    scene.meters.counters.add(`share page.${page.outcome}`);
  }

  private async grabOnce(shareToken: string, packetId: string): Promise<void> {
    const { scene, userId } = this;
    const startedAtMs = performance.now();
    scene.meters.grabbing += 1;
    try {
      const outcome = await this.client.grab(shareToken, { signal: this.signal });
      const isAfterEnd = serverNowMs(scene) >= scene.times.sharesEndMs;
      scene.meters.counters.add(`grab.${outcome.outcome}`);
      if (outcome.outcome === 'credited') scene.meters.latencies.grab.record(performance.now() - startedAtMs);
      scene.journal.grabbed({ shareToken, packetId, userId, isAfterEnd }, outcome);
    } finally {
      scene.meters.grabbing -= 1;
    }
  }

  private think(): Promise<void> {
    return deviceClock.sleep(this.random.next() * thinkMsMax, this.signal);
  }
}

/** Opens a ticket to its outcome; counts, times and writes down what the user was told. */
export async function openMeasured(
  scene: Scene,
  client: HongbaoClient,
  ticket: string,
  signal: AbortSignal,
): Promise<OpenOutcome> {
  const { meters, journal } = scene;
  const startedAtMs = performance.now();
  meters.opening += 1;
  try {
    const outcome = await client.open(ticket, { signal });
    meters.counters.add(`open.${outcome.outcome}`);
    const kind = outcome.outcome === 'credited' ? 'open→credited' : 'open→denied';
    if (outcome.outcome !== 'unsettled') meters.latencies[kind].record(performance.now() - startedAtMs);
    journal.opened(ticket, outcome, serverNowMs(scene));
    return outcome;
  } finally {
    meters.opening -= 1;
  }
}

/** Most come in time, from now to shortly after the start; some when half of the night is over. */
function arrivalMs(scene: Scene, random: Random, fromMs: number): number {
  const { startMs, endMs } = scene.times;
  const shakingMs = endMs - startMs;
  if (random.chance(habits.arrivesLate)) return startMs + shakingMs * (0.4 + 0.4 * random.next());
  return fromMs + random.next() * (startMs + shakingMs * 0.04 - fromMs);
}
