import { isIP, isIPv4, isIPv6 } from 'node:net';

/** What is no address counts as one and the same: nobody gets a fresh count by writing nonsense. */
const nowhere = 'nowhere';

/**
 * What failures are counted by: an IPv4 address, or the /64 of an IPv6 address, which whoever has one of them has. Takes an address
 * as sockets and proxies write it, with or without port, brackets, zone and the IPv4-mapped prefix; undefined: the socket is gone.
 */
export function neighbourhoodOf(text: string | undefined): string {
  const address = bareAddress(text ?? '');
  if (isIP(address) === 0) return nowhere;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const tailCount = tail === undefined || tail === '' ? 0 : tail.split(':').length;
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - tailCount);
  const network = [...groups, ...Array<string>(zeros).fill('0'), '0', '0', '0', '0'].slice(0, 4);
  return network.map((group) => group.replace(/^0+(?=.)/, '')).join(':');
}

function bareAddress(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(text);
  const withPort = /^([\d.]+):\d+$/.exec(text);
  const address = (bracketed?.[1] ?? withPort?.[1] ?? text).toLowerCase().replace(/%.*$/, '');
  const unmapped = address.replace(/^::ffff:/, '');
  return isIPv4(unmapped) ? unmapped : address;
}
