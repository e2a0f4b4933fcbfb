import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { GatewayConfig } from '#libs/contracts';
import { type LineVisitor, newLine } from '../admission/parked-lines.ts';
import { AddressBook, type AddressNo } from './address-book.ts';
import { countedAddressOf, plainAddressOf, TrustedProxies } from './client-address.ts';
import { newWatch, StillConnections, type Watch } from './still-connections.ts';

/** Addresses remembered, about 150 bytes each: more than twice as many as there can be connections. */
const addressesMax = 131_072;
/** Early shakes that one connection may bring at once, of whatever sessions, and each second. One session alone is stopped sooner. */
const earlyPerConnectionMax = 40;
const earlyPerConnectionPerSecond = 1;

export type DoorConfig = Pick<
  GatewayConfig,
  | 'TRUSTED_PROXIES'
  | 'CONNECTIONS_PER_ADDRESS_MAX'
  | 'NEW_SESSIONS_PER_ADDRESS_PER_SECOND'
  | 'FAILED_SESSIONS_PER_ADDRESS_PER_SECOND'
  | 'EARLY_SHAKES_PER_ADDRESS_PER_SECOND'
  | 'GUEST_SESSIONS_PER_ADDRESS_PER_SECOND'
>;

/** What is needed of a request. */
export type VisitorRequest = Pick<IncomingMessage, 'socket' | 'headers'>;

/** Who is on a connection. */
interface Visitor extends Watch, LineVisitor {
  /** The number of its address; -1: a trusted proxy, and the client's address stands in each request. */
  readonly no: AddressNo;
  /** When the early shakes it brought would be paid off (see AddressBook). */
  earlyPaidOffAtMs: number;
}

/**
 * What one address and one connection may do at this gateway. Limited is what costs much or is hostile: connections, verifications of
 * sessions that were not seen before, failed ones, guest sessions, and shakes that come early. Shakes of verified sessions that keep
 * their pace are not: behind one address there may be a carrier's fifty thousand phones. Everything is in memory of a fixed size, nothing
 * remote is asked, and a shake that gives no cause does nothing here.
 */
export class Doorkeeper {
  /** Totals since the start. */
  readonly refused = { connections: 0, verifications: 0, guests: 0 };
  readonly visitors = new Map<Socket, Visitor>();
  readonly still = new StillConnections(this.visitors);
  /** Of them, those of trusted proxies. */
  proxyCount = 0;
  /** All that ever came in. */
  enteredCount = 0;
  private readonly book: AddressBook;
  private readonly proxies: TrustedProxies;

  /**
   * @param knows whether a session was verified here before: then it is not new.
   * @param nowMs a clock that does not run backwards.
   */
  constructor(
    config: DoorConfig,
    private readonly knows: (authorization: string) => boolean,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    const limits = {
      connections: config.CONNECTIONS_PER_ADDRESS_MAX,
      newSessions: config.NEW_SESSIONS_PER_ADDRESS_PER_SECOND,
      failedSessions: config.FAILED_SESSIONS_PER_ADDRESS_PER_SECOND,
      earlyShakes: config.EARLY_SHAKES_PER_ADDRESS_PER_SECOND,
      guestSessions: config.GUEST_SESSIONS_PER_ADDRESS_PER_SECOND,
    };
    this.book = new AddressBook(limits, addressesMax);
    this.proxies = new TrustedProxies(config.TRUSTED_PROXIES);
  }

  get addressCount(): number {
    return this.book.size;
  }

  /** A connection came; false: its address has too many, and it is to be closed. */
  enter(socket: Socket): boolean {
    const address = plainAddressOf(socket.remoteAddress);
    // gone already
    if (address === undefined) return false;
    const no = this.proxies.trusts(address) ? -1 : this.book.noOf(countedAddressOf(address), this.nowMs());
    if (no >= 0 && !this.book.connect(no)) {
      this.refused.connections += 1;
      return false;
    }
    this.enteredCount += 1;
    if (no < 0) this.proxyCount += 1;
    this.visitors.set(socket, { ...newWatch(), ...newLine(), no, earlyPaidOffAtMs: 0 });
    return true;
  }

  /** A connection that entered is closed. */
  leave(socket: Socket): void {
    const visitor = this.visitors.get(socket);
    if (visitor === undefined) return;
    this.visitors.delete(socket);
    if (visitor.no >= 0) this.book.disconnect(visitor.no);
    else this.proxyCount -= 1;
  }

  /** Whether the session of a request may be verified now, if it is not known; takes it from what the address may do. */
  admitsSession({ socket, headers }: VisitorRequest): boolean {
    const { authorization } = headers;
    if (authorization === undefined || this.knows(authorization)) return true;
    const no = this.noOf({ socket, headers });
    if (no < 0) return true;
    const nowMs = this.nowMs();
    if (this.book.mayTake(no, 'failedSessions', nowMs) && this.book.take(no, 'newSessions', nowMs)) return true;
    this.refused.verifications += 1;
    return false;
  }

  /** A request was told 401. */
  countFailedSession(request: VisitorRequest): void {
    const no = this.noOf(request);
    if (no >= 0) this.book.take(no, 'failedSessions', this.nowMs());
  }

  /** Whether a guest session may be made; takes it from what the address may do. */
  admitsGuest(request: VisitorRequest): boolean {
    const no = this.noOf(request);
    if (no < 0 || this.book.take(no, 'guestSessions', this.nowMs())) return true;
    this.refused.guests += 1;
    return false;
  }

  /**
   * A shake came early; true: its connection has brought too many, or its address has, and it is closed after the answer. A trusted
   * proxy's connections stay: they carry others too.
   */
  countEarly(request: VisitorRequest): boolean {
    const visitor = this.visitors.get(request.socket);
    const no = this.noOf(request);
    if (visitor === undefined || no < 0) return false;
    const nowMs = this.nowMs();
    const isAddressFine = this.book.take(no, 'earlyShakes', nowMs);
    const costMs = 1000 / earlyPerConnectionPerSecond;
    visitor.earlyPaidOffAtMs = Math.max(visitor.earlyPaidOffAtMs, nowMs) + costMs;
    const isConnectionFine = visitor.earlyPaidOffAtMs <= nowMs + earlyPerConnectionMax * costMs;
    return visitor.no >= 0 && !(isAddressFine && isConnectionFine);
  }

  /** False for a trusted proxy's connection. */
  isClientsOwn({ socket }: VisitorRequest): boolean {
    return this.visitors.get(socket)?.no !== -1;
  }

  /** The number of the client's address; -1: its connection is gone. */
  private noOf({ socket, headers }: VisitorRequest): AddressNo {
    const visitor = this.visitors.get(socket);
    if (visitor === undefined || visitor.no >= 0) return visitor?.no ?? -1;
    const proxy = plainAddressOf(socket.remoteAddress);
    if (proxy === undefined) return -1;
    const client = this.proxies.clientBehind(proxy, headers['x-forwarded-for'] as string | undefined);
    return this.book.noOf(countedAddressOf(client), this.nowMs());
  }
}
