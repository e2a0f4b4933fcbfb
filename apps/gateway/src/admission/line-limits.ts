import type { GatewayConfig } from '#libs/contracts';
import type { LineLimits } from './line-shedder.ts';

/**
 * By role. An open is read, queued and answered, three waits, so where opens are among the requests a wait may take a tenth of the time in which
 * an open is answered at once; a shake's phone waits for two seconds, and where there are only shakes nobody is spared. Nobody who brings a
 * ticket is kept out of a process that takes no shakes.
 */
export const lineLimitsOf: Readonly<Record<GatewayConfig['GATEWAY_ROLE'], LineLimits>> = {
  all: {
    waitMaxMs: 100,
    leastReadMs: 200,
    calmMs: 50,
    calmWithinMs: 1200,
    sparesOthers: true,
  },
  shake: {
    waitMaxMs: 350,
    leastReadMs: 1300,
    calmMs: 200,
    calmWithinMs: 10_000,
    sparesOthers: false,
  },
  money: {
    waitMaxMs: Number.POSITIVE_INFINITY,
    leastReadMs: Number.POSITIVE_INFINITY,
    calmMs: Number.POSITIVE_INFINITY,
    calmWithinMs: 3000,
    sparesOthers: true,
  },
};
