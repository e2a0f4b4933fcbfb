import type { GatewayConfig } from '#libs/contracts';

/** What of a request tells the address that its client used. */
export interface AddressedRequest {
  readonly headers: {
    readonly host?: string | undefined;
    readonly 'x-forwarded-proto'?: string | string[] | undefined;
  };
}

/** Where clients find what: one and the same unless the roles are apart. */
export interface Endpoints {
  readonly shake: string;
  readonly money: string;
}

export type EndpointSettings = Pick<GatewayConfig, 'SHAKE_ENDPOINT' | 'MONEY_ENDPOINT' | 'SHAKE_PORT' | 'MONEY_PORT'>;

const hostPattern = /^[A-Za-z0-9.[\]:_-]{1,255}$/;
const portPattern = /:\d*$/;

/**
 * The base address by which the client reached this process: its Host header, and https when the proxy in front says so. It goes
 * back to that client alone (answers that carry it are cached by host), so a false header misleads only its sender.
 * @param port names another server on the same host.
 */
export function publicAddressOf({ headers }: AddressedRequest, port?: number): string {
  const host = headers.host !== undefined && hostPattern.test(headers.host) ? headers.host : 'localhost';
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  return `${scheme}://${port === undefined ? host : `${host.replace(portPattern, '')}:${port}`}`;
}

/** The addresses that this client is told: the ones that are set, else those that go with the address it used. */
export function endpointsOf(settings: EndpointSettings, request: AddressedRequest): Endpoints {
  return {
    shake: settings.SHAKE_ENDPOINT ?? publicAddressOf(request, settings.SHAKE_PORT),
    money: settings.MONEY_ENDPOINT ?? publicAddressOf(request, settings.MONEY_PORT),
  };
}
