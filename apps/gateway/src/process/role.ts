import type { GatewayConfig } from '#libs/contracts';

export type GatewayRole = GatewayConfig['GATEWAY_ROLE'];

/** This process answers shakes: it takes stock and keeps the pace. */
export const takesShakes = (role: GatewayRole): boolean => role !== 'money';

/** This process opens packets and answers all that is neither a shake nor of both: it writes to the lanes and hears their replies. */
export const takesMoney = (role: GatewayRole): boolean => role !== 'shake';
