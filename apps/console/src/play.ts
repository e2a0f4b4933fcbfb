/**
 * `/play`: a phone that shakes. It uses the same SDK and the same public REST as any phone would, and tells its user the truth: a miss is a
 * miss, a rest is a rest, a pending packet is pending. With `?share=TOKEN` it is a friend's page, where a portion can be taken.
 */
import { HongbaoClient, type ShakeHit, type UnsettledTicket } from '#libs/client';
import type { EventView, ShakeAnswer } from '#libs/contracts';

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const yuan = (fen: number): string => `¥${(fen / 100).toFixed(2)}`;
const show = (id: string, text: string): void => {
  element(id).textContent = text;
};

interface Saved {
  readonly token?: string;
  readonly userId?: string;
  readonly unsettled: readonly UnsettledTicket[];
}

const storageKey = 'hongbao';

/** What survives a reload: the guest session and every ticket without an outcome. */
function load(): Saved {
  try {
    return { unsettled: [], ...JSON.parse(localStorage.getItem(storageKey) ?? '{}') };
  } catch {
    return { unsettled: [] }; // a browser without storage, or what another version left: start anew
  }
}

let saved = load();
function save(change: Partial<Saved>): void {
  saved = { ...saved, ...change };
  try {
    localStorage.setItem(storageKey, JSON.stringify(saved));
  } catch {
    show('foot', 'This browser keeps nothing: unopened tickets are lost with this page.');
  }
}

async function connect(): Promise<HongbaoClient> {
  const client = new HongbaoClient({
    baseUrl: location.origin,
    ...(saved.token === undefined ? {} : { token: saved.token }),
    onUnsettledChange: (unsettled) => save({ unsettled }),
  });
  client.restore(saved.unsettled);
  if (saved.token === undefined) {
    const { token, userId } = await client.createSession();
    save({ token, userId });
  }
  show('foot', `You are ${saved.userId}`);
  return client;
}

async function pickEvent(client: HongbaoClient, wanted: string | null): Promise<EventView | undefined> {
  if (wanted !== null) return client.event(wanted);
  const events = await client.events();
  const live = events.find((event) => event.state === 'live') ?? events[0];
  return live && client.event(live.id);
}

class ShakePage {
  private isShaking = false;

  constructor(
    private readonly client: HongbaoClient,
    private readonly event: EventView,
  ) {}

  async start(): Promise<void> {
    const button = element<HTMLButtonElement>('shake');
    show('title', this.event.title);
    show('sub', this.event.sponsors.map((sponsor) => sponsor.name).join(' · '));
    show('message', 'Press, or shake your phone');
    button.addEventListener('click', () => void this.shake());
    addEventListener('devicemotion', ({ acceleration }) => {
      if (Math.hypot(acceleration?.x ?? 0, acceleration?.y ?? 0, acceleration?.z ?? 0) > 15) void this.shake();
    });
    button.disabled = false;
    await this.client.settleUnsettled();
    await this.showWallet();
  }

  /** One shake; the button wakes when the server lets this phone shake again. */
  private async shake(): Promise<void> {
    if (this.isShaking) return;
    this.isShaking = true;
    const button = element<HTMLButtonElement>('shake');
    button.disabled = true;
    button.classList.add('moving');
    const waitMs = await this.client
      .shakeOnce(this.event.id)
      .then((answer) => this.follow(answer))
      .catch(() => this.say('No answer. Try again in a moment.', 2000));
    if (waitMs === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    button.classList.remove('moving');
    button.disabled = false;
    this.isShaking = false;
  }

  private say(text: string, waitMs: number): number {
    show('message', text);
    return waitMs;
  }

  /** Tells what the shake gave; returns the wait until the next one, or undefined when there is none. */
  private follow(answer: ShakeAnswer): number | undefined {
    switch (answer.result) {
      case 'hit':
        void this.open(answer);
        return this.say(`A packet from ${answer.sponsor.name}!`, answer.nextShakeMs);
      case 'miss':
        return this.say('Nothing this time. Again!', answer.nextShakeMs);
      case 'rest':
        return this.say(answer.message, answer.nextShakeMs);
      case 'not_started':
        return this.say('Not yet. Your turn comes soon.', answer.startsInMs);
      case 'limit':
        this.say('You hold as many packets as this event gives. Share them!', 0);
        return undefined;
      case 'over':
        this.say('The event is over.', 0);
        return undefined;
    }
  }

  private async open(hit: ShakeHit): Promise<void> {
    const row = document.createElement('li');
    row.textContent = `${hit.sponsor.name}: opening…`;
    element('packets').prepend(row);
    const outcome = await this.client.open(hit.ticket).catch(() => undefined);
    if (outcome?.outcome !== 'credited') {
      const told = { expired: 'too late', unsettled: 'not decided yet, reload later' } as const;
      const text = told[outcome?.outcome as keyof typeof told] ?? 'not credited';
      row.textContent = `${hit.sponsor.name}: ${text}`;
      return;
    }
    const { packet } = outcome;
    const amount = document.createElement('strong');
    amount.textContent = yuan(packet.amountFen);
    row.replaceChildren(packet.sponsor.name, amount);
    if (packet.share.portions > 0) row.append(this.shareButton(packet.packetId, hit.ticket));
    await this.showWallet();
  }

  private shareButton(packetId: string, ticket: string): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Share';
    button.addEventListener('click', async () => {
      const share = await this.client.share(packetId, ticket);
      if (share.outcome !== 'shared') return void this.say('This packet cannot be shared.', 0);
      const link = document.createElement('a');
      link.href = share.share.url;
      link.textContent = 'Link for friends';
      button.replaceWith(link);
    });
    return button;
  }

  private async showWallet(): Promise<void> {
    const wallet = await this.client.wallet().catch(() => undefined);
    if (wallet?.outcome === 'ok') show('wallet', `In your wallet: ${yuan(wallet.value.balanceFen)}`);
  }
}

async function startFriendPage(client: HongbaoClient, shareToken: string): Promise<void> {
  element('shake-view').hidden = true;
  element('share-view').hidden = false;
  show('title', 'A friend shares a red packet');
  const refresh = async (): Promise<void> => {
    const outcome = await client.sharePage(shareToken);
    if (outcome.outcome !== 'ok') return show('share-message', 'This share cannot be shown now, or has ended.');
    const page = outcome.value;
    show('sub', page.sponsor.name);
    show(
      'share-message',
      page.yours ? `You got ${yuan(page.yours.amountFen)}` : `${page.taken} of ${page.portions} portions are taken`,
    );
    const rows = (page.grabs ?? []).map((grab) => {
      const row = document.createElement('li');
      const amount = document.createElement('strong');
      amount.textContent = yuan(grab.amountFen);
      row.append(grab.luckiest ? `${grab.userId} ★` : grab.userId, amount);
      return row;
    });
    element('grabs').replaceChildren(...rows);
  };
  element('grab').addEventListener('click', async () => {
    show('share-message', 'Asking…');
    const outcome = await client.grab(shareToken).catch(() => undefined);
    await refresh();
    if (outcome?.outcome === 'credited') show('share-message', `You got ${yuan(outcome.amountFen)}`);
    if (outcome?.outcome === 'empty') show('share-message', 'All portions are taken.');
    if (outcome === undefined) show('share-message', 'No answer. Try again in a moment.');
  });
  await refresh();
}

async function main(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const client = await connect();
  const shareToken = query.get('share');
  if (shareToken !== null) return startFriendPage(client, shareToken);
  const event = await pickEvent(client, query.get('event'));
  if (!event) return show('message', 'There is no event now.');
  await new ShakePage(client, event).start();
}

main().catch((error: unknown) => {
  show('message', 'The service cannot be reached. Reload to try again.');
  throw error;
});
