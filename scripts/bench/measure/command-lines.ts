/** What `MONITOR` and `CLIENT LIST` tell, as counts of commands by who sent them. */

export interface CommandCount {
  /** Commands that came over the network. */
  readonly sent: number;
  /** Those, and the commands that scripts among them called. */
  readonly executed: number;
}

/** Addresses of the connections whose name `isMeant`, from the text of `CLIENT LIST`. */
export function addressesIn(clientList: string, isMeant: (name: string) => boolean): Set<string> {
  const lines = clientList.split('\n').map((line) => ({
    address: / addr=(\S+)/.exec(line)?.[1],
    name: / name=(\S*)/.exec(line)?.[1] ?? '',
  }));
  return new Set(lines.flatMap(({ address, name }) => (address !== undefined && isMeant(name) ? [address] : [])));
}

/** Adds up what `MONITOR` shows of some connections. Commands of a script follow the command that ran it. */
export class CommandCounter {
  private sent = 0;
  private executed = 0;
  private isCounted = false;

  constructor(private readonly addresses: ReadonlySet<string>) {}

  /** `source`: an address, or `lua` for a command of a script. */
  add(source: string): void {
    const isInner = source === 'lua';
    if (!isInner) this.isCounted = this.addresses.has(source);
    if (!this.isCounted) return;
    this.executed += 1;
    if (!isInner) this.sent += 1;
  }

  get count(): CommandCount {
    return { sent: this.sent, executed: this.executed };
  }
}
