import { readFile } from 'node:fs/promises';
import { turnAt } from './turns.ts';

/** A shake as wrk sends it, so that all drivers put the same headers before the gateway. */
export function shakeRequest(port: number, eventId: number, token: string): string {
  return (
    `POST /v1/events/${eventId}/shake HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
    `Authorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`
  );
}

/** Ready-made requests of a tokens file's users, one for each user and event. */
export class Requests {
  private constructor(
    private readonly byEvent: readonly (readonly string[])[],
    private readonly users: number,
  ) {}

  static async read(path: string, port: number, eventIds: readonly number[]): Promise<Requests> {
    const tokens = (await readFile(path, 'latin1')).trimEnd().split('\n');
    const byEvent = eventIds.map((eventId) => tokens.map((token) => shakeRequest(port, eventId, token)));
    return new Requests(byEvent, tokens.length);
  }

  /** The request of the shake with this number. */
  at(shake: number): string {
    const { user, event } = turnAt(shake, this.users, this.byEvent.length);
    return this.byEvent[event]![user]!;
  }

  /** Of a user in the only event. */
  ofUser(user: number): string {
    return this.byEvent[0]![user]!;
  }
}
