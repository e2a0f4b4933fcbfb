import { BlockList, isIP, isIPv4 } from 'node:net';

/** An address in CIDR notation, split; undefined for anything else. A plain address is a network of one. */
export interface Cidr {
  readonly address: string;
  readonly prefixLength: number;
}

/** Entries of X-Forwarded-For that are looked at, from the right: as many proxies in a row as anybody has. */
const forwardedHopsMax = 16;

/** The proxies whose word on their client's address is taken: none unless the settings name them. */
export class TrustedProxies {
  private readonly list = new BlockList();
  private readonly isEmpty: boolean;

  constructor(networks: readonly Cidr[]) {
    this.isEmpty = networks.length === 0;
    for (const { address, prefixLength } of networks)
      this.list.addSubnet(address, prefixLength, isIPv4(address) ? 'ipv4' : 'ipv6');
  }

  /** `address`: as `plainAddressOf` gives it. */
  trusts(address: string): boolean {
    return !this.isEmpty && this.list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  }

  /**
   * The client behind a trusted proxy: the rightmost address in X-Forwarded-For that is no trusted proxy's, for everything left of it was
   * written by whoever sent it. Without one (an empty header, an entry that is no address) it is the last hop that is known.
   */
  clientBehind(proxy: string, forwardedFor: string | undefined): string {
    let known = proxy;
    const hops = (forwardedFor ?? '').split(',').slice(-forwardedHopsMax);
    for (const hop of hops.reverse()) {
      const address = plainAddressOf(hop);
      if (address === undefined) return known;
      known = address;
      if (!this.trusts(address)) return known;
    }
    return known;
  }
}

const ipv4MappedPrefix = '::ffff:';

/** An IP address as sockets and proxies write it, without port, brackets, zone and the IPv4-mapped prefix; undefined: it is none. */
export function plainAddressOf(text: string | undefined): string | undefined {
  const trimmed = text?.trim() ?? '';
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(trimmed);
  const withPort = /^([\d.]+):\d+$/.exec(trimmed);
  const address = (bracketed?.[1] ?? withPort?.[1] ?? trimmed).toLowerCase();
  const unmapped = address.startsWith(ipv4MappedPrefix) ? address.slice(ipv4MappedPrefix.length) : address;
  if (isIPv4(unmapped)) return unmapped;
  const unzoned = address.replace(/%.*$/, '');
  return isIP(unzoned) === 0 ? undefined : unzoned;
}

/** IPv6 addresses are counted by their first groups: a /64 is what one subscriber has. */
const countedGroups = 4;
const allGroups = 8;

/** What limits are counted by: an IPv4 address, or the /64 network of an IPv6 address. `address`: as `plainAddressOf` gives it. */
export function countedAddressOf(address: string): string {
  if (isIPv4(address)) return address;
  const [before = '', after] = address.split('::');
  const head = groupsOf(before);
  const tail = groupsOf(after ?? '');
  const zeros = after === undefined ? 0 : Math.max(0, allGroups - head.length - tail.length);
  const groups = [...head, ...Array<string>(zeros).fill('0'), ...tail];
  return `${groups.slice(0, countedGroups).join(':')}::/64`;
}

/** Groups of a part of an IPv6 address without leading zeros; an IPv4 tail stands for two, which no /64 contains. */
function groupsOf(part: string): string[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : [group.replace(/^0+(?=.)/, '')]));
}
