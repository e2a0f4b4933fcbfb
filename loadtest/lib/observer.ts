import { sleep } from 'k6';
import type { EventView } from '#libs/contracts';
import { type Answer, type Call, send } from './http.ts';
import { asPromised } from './metrics.ts';
import type { Phase } from './phases.ts';
import { gatewayUrl } from './settings.ts';

const pauseS = 0.4;
/** Tier from which each feature yields, as the catalogue says. */
const yieldsAt = { leaderboard: 1, 'event details': 2, 'guest sessions': 4, wallet: 5 } as const;

/** Looks at what yields, once: each feature must be on below its tier and off from it, and the event must name the tier. */
export function observe(phase: Phase, eventId: string, token: string): void {
  const event = get<EventView>(`/events/${eventId}`);
  note(phase, 'tier', event.body?.tier === phase.tier);
  note(phase, 'event details', isOnAsPromised(phase, 'event details', (event.body?.sponsors.length ?? 0) > 0));
  noteFeature(phase, 'leaderboard', get(`/events/${eventId}/leaderboard`), 200);
  noteFeature(phase, 'wallet', get('/me/wallet', token), 200);
  noteFeature(phase, 'guest sessions', send({ ...sessionCall, body: {} }), 201);
  sleep(pauseS);
}

const sessionCall: Call = { method: 'POST', url: `${gatewayUrl}/v1/sessions`, name: 'session' };

function get<T>(path: string, token?: string): Answer<T> {
  return send<T>({ method: 'GET', url: `${gatewayUrl}/v1${path}`, name: 'observe', token });
}

type Feature = keyof typeof yieldsAt;

function noteFeature(phase: Phase, what: Feature, answer: Answer<unknown>, onStatus: number): void {
  const isKnown = answer.status === onStatus || answer.code === 'feature_off';
  note(phase, what, isKnown && isOnAsPromised(phase, what, answer.status === onStatus));
}

function isOnAsPromised(phase: Phase, what: Feature, isOn: boolean): boolean {
  return isOn === phase.tier < yieldsAt[what];
}

function note(phase: Phase, what: string, isPromised: boolean): void {
  asPromised.add(isPromised, { phase: phase.name, what });
}
