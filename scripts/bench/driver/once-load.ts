import { TokenMaker } from '../measure/tokens.ts';
import { Connections } from './connections.ts';
import { statusOf } from './http-answer.ts';
import type { OncePlan, OnceResult } from './plans.ts';
import { shakeRequest } from './requests.ts';
import { spin } from './spin.ts';

const okStatus = 200;

/** Has every user shake once, as fast as the answers come. */
export async function loadOnce(plan: OncePlan, onStarted: () => void): Promise<OnceResult> {
  const tokens = new TokenMaker(plan.secret, plan.series, Math.floor(Date.now() / 1000));
  let sent = 0;
  let answered = 0;
  let failed = 0;
  const connections = new Connections({
    port: plan.port,
    count: plan.connections,
    onAnswer: (_connection, bytes) => {
      if (statusOf(bytes) === okStatus) answered += 1;
      else failed += 1;
    },
    onLost: () => {
      failed += 1;
    },
  });
  await connections.start();
  onStarted();
  const startMs = performance.now();
  await spin(() => {
    while (sent < plan.users && connections.hasFree) {
      connections.send(shakeRequest(plan.port, plan.eventId, tokens.make(plan.firstUser + sent)));
      sent += 1;
    }
    return answered + failed >= plan.users ? 'done' : 'on';
  });
  connections.end();
  return { answered, failed, seconds: (performance.now() - startMs) / 1000 };
}
