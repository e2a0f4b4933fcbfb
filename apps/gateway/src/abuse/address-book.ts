/** Work that is limited per address. */
export type LimitedWork = 'newSessions' | 'failedSessions' | 'earlyShakes' | 'guestSessions';
const limitedWork: readonly LimitedWork[] = ['newSessions', 'failedSessions', 'earlyShakes', 'guestSessions'];

/** Most connections, and most of each work per second. */
export type AddressLimits = Readonly<Record<'connections' | LimitedWork, number>>;

/** So many seconds' worth may come at once: a crowd behind one address comes at once when an event begins. */
const burstSeconds = 10;
/** Addresses looked at for one that may be forgotten. */
const forgetLooksMax = 64;

/** One address in the book; it means that address for as long as it is held, or until the next call that takes an address. */
export type AddressNo = number;

/**
 * What addresses do, in bounded memory. Each address has a place in arrays of a fixed size: its connections that are open, and for each
 * kind of work the time at which all that it did would be paid off at the allowed rate (the generic cell rate algorithm: a token bucket in
 * one number, with nothing to refill). An address without connections loses its place when another needs it, first one that owes
 * nothing; so an attacker with very many addresses can be forgotten early, but costs no memory and harms no other's limits.
 *
 * Milliseconds are of any clock that does not run backwards.
 */
export class AddressBook {
  private readonly places = new Map<string, AddressNo>();
  private readonly addresses: (string | undefined)[] = [];
  private readonly connections: Int32Array;
  private readonly paidOffAtMs: Float64Array;
  private hand = 0;

  /** @param addressesMax more than there can be addresses with connections, so that there is always a place. */
  constructor(
    private readonly limits: AddressLimits,
    private readonly addressesMax: number,
  ) {
    this.connections = new Int32Array(addressesMax);
    this.paidOffAtMs = new Float64Array(addressesMax * limitedWork.length);
  }

  /** Addresses that have a place. */
  get size(): number {
    return this.places.size;
  }

  /** The number of an address, as `countedAddressOf` gives it. */
  noOf(address: string, nowMs: number): AddressNo {
    return this.places.get(address) ?? this.enter(address, nowMs);
  }

  /** Counts a connection; false: the address has as many as it may, and this one is not counted. A counted one holds the number. */
  connect(no: AddressNo): boolean {
    if (this.connections[no]! >= this.limits.connections) return false;
    this.connections[no]! += 1;
    return true;
  }

  disconnect(no: AddressNo): void {
    this.connections[no]! -= 1;
  }

  /** Takes one unit of work from what the address may do; false: it may not, and nothing is taken. */
  take(no: AddressNo, work: LimitedWork, nowMs: number): boolean {
    const at = this.placeOf(no, work);
    const costMs = 1000 / this.limits[work];
    const paidOffAtMs = Math.max(this.paidOffAtMs[at]!, nowMs) + costMs;
    if (paidOffAtMs > nowMs + burstSeconds * 1000 + costMs / 2) return false;
    this.paidOffAtMs[at] = paidOffAtMs;
    return true;
  }

  /** False: a `take` of this work would fail. */
  mayTake(no: AddressNo, work: LimitedWork, nowMs: number): boolean {
    const costMs = 1000 / this.limits[work];
    return this.paidOffAtMs[this.placeOf(no, work)]! + costMs <= nowMs + burstSeconds * 1000 + costMs / 2;
  }

  private placeOf(no: AddressNo, work: LimitedWork): number {
    return no * limitedWork.length + limitedWork.indexOf(work);
  }

  private enter(address: string, nowMs: number): AddressNo {
    const no = this.places.size < this.addressesMax ? this.places.size : this.forgetOne(nowMs);
    this.addresses[no] = address;
    this.places.set(address, no);
    this.paidOffAtMs.fill(0, no * limitedWork.length, (no + 1) * limitedWork.length);
    return no;
  }

  /** Forgets an address without connections: the next that owes nothing, or after some looks the next at all. */
  private forgetOne(nowMs: number): AddressNo {
    for (let looks = 1; ; looks++) {
      const no = this.hand;
      this.hand = no + 1 === this.addressesMax ? 0 : no + 1;
      if (this.connections[no]! > 0 || (looks < forgetLooksMax && this.owes(no, nowMs))) continue;
      this.places.delete(this.addresses[no]!);
      return no;
    }
  }

  private owes(no: AddressNo, nowMs: number): boolean {
    return limitedWork.some((work) => this.paidOffAtMs[this.placeOf(no, work)]! > nowMs);
  }
}
