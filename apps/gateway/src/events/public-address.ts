/** What of a request tells the address that its client used. */
export interface AddressedRequest {
  readonly headers: {
    readonly host?: string | undefined;
    readonly 'x-forwarded-proto'?: string | string[] | undefined;
  };
}

const hostPattern = /^[A-Za-z0-9.[\]:_-]{1,255}$/;

/**
 * The base address by which the client reached this process: its Host header, and https when the proxy in front says so. It goes
 * back to that client alone (answers that carry it are cached by host), so a false header misleads only its sender.
 */
export function publicAddressOf({ headers }: AddressedRequest): string {
  const host = headers.host !== undefined && hostPattern.test(headers.host) ? headers.host : 'localhost';
  return `${headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'}://${host}`;
}
