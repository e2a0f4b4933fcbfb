import { expect } from 'vitest';
import { HostileStage, portionCount, type Said } from './hostile-stage.ts';

export const said = ({ status, body }: Said) => [status, body.code];

/** What others would like to have, or to spoil: a packet of Alice's that is opened and shared, and a Bob with a wallet. */
export interface HostileScene {
  readonly stage: HostileStage;
  readonly eventId: string;
  readonly otherEventId: string;
  readonly alice: string;
  readonly bob: string;
  /** Alice's, opened. */
  readonly ticket: string;
  readonly packetId: string;
  readonly amountFen: number;
  readonly shareToken: string;
}

export async function openScene(): Promise<HostileScene> {
  const stage = await HostileStage.start();
  const [eventId, otherEventId] = await Promise.all([stage.liveEvent(), stage.liveEvent()]);
  const [alice, bob] = [stage.session('alice'), stage.session('bob')];
  const ticket = await stage.ticket(eventId, 'alice');
  const opened = await stage.opened(ticket, alice);
  expect(opened).toMatchObject({
    status: 200,
    body: { status: 'credited', eventId, share: { portions: portionCount } },
  });
  const { packetId, amountFen } = opened.body;
  const { shareToken } = (await stage.share(packetId, alice, ticket)).body;
  // who tries something with Bob's name has a wallet to begin with
  expect((await stage.opened(await stage.ticket(eventId, 'bob', 1), bob)).status).toBe(200);
  return { stage, eventId, otherEventId, alice, bob, ticket, packetId, amountFen, shareToken };
}
