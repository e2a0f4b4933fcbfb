import { Connections } from './connections.ts';
import { Crowd } from './crowd.ts';
import { nextShakeMsOf, resultLetterOf, statusOf } from './http-answer.ts';
import type { CrowdPlan, CrowdResult } from './plans.ts';
import { Requests } from './requests.ts';
import { spin } from './spin.ts';

const okStatus = 200;

/** Drives a crowd that does as it is told, first all of it, then a part. */
export async function loadByCrowd(plan: CrowdPlan, onStarted: () => void): Promise<CrowdResult> {
  const requests = await Requests.read(plan.tokensFile, plan.port, [plan.eventId]);
  const userOn = new Int32Array(plan.connections);
  const startMs = performance.now();
  const crowd = new Crowd(plan, startMs);
  let failed = 0;
  const connections = new Connections({
    port: plan.port,
    count: plan.connections,
    onAnswer: (connection, bytes, bodyAt) => {
      if (statusOf(bytes) !== okStatus) failed += 1;
      crowd.answered(
        userOn[connection]!,
        performance.now(),
        resultLetterOf(bytes, bodyAt),
        nextShakeMsOf(bytes, bodyAt),
      );
    },
    onLost: (connection) => {
      failed += 1;
      crowd.lost(userOn[connection]!, performance.now());
    },
  });
  await connections.start();
  onStarted();
  crowd.begin(performance.now());
  await spin(() => {
    const nowMs = performance.now();
    crowd.wake(nowMs);
    while (connections.hasFree) {
      const user = crowd.nextDue();
      if (user === undefined) break;
      userOn[connections.send(requests.ofUser(user))!] = user;
    }
    return nowMs >= crowd.endMs ? 'done' : 'on';
  });
  connections.end();
  return { failed, closed: connections.closed, ...crowd.summary(performance.now()) };
}
