import type { GatewayConfig } from '#libs/contracts';
import type { LineLimits } from './line-shedder.ts';

/**
 * By role. An open is read, queued and answered, three waits, so where opens are among the requests a wait may take a tenth of the time in which
 * an open is answered at once; a shake's phone waits for two seconds, and where there are only shakes nobody is spared. Nobody who brings a
 * ticket is kept out of a process that takes no shakes.
 */
export const lineLimitsOf: Readonly<Record<GatewayConfig['GATEWAY_ROLE'], LineLimits>> = {
  all: { waitMaxMs: 150, firstReadShare: 0.3, calmMs: 60, againFromMs: 150, calmWithinMs: 3000, sparesOthers: true },
  shake: {
    waitMaxMs: 350,
    firstReadShare: 0.35,
    calmMs: 200,
    againFromMs: 700,
    calmWithinMs: 2500,
    sparesOthers: false,
  },
  money: {
    waitMaxMs: Number.POSITIVE_INFINITY,
    firstReadShare: 1,
    calmMs: Number.POSITIVE_INFINITY,
    againFromMs: Number.POSITIVE_INFINITY,
    calmWithinMs: 3000,
    sparesOthers: true,
  },
};
