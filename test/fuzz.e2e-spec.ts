import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { opsRoutes, publicRoutes, type RouteDefinition } from '#libs/contracts';
import { type Operation, readOperations } from './support/fuzz-document.ts';
import { answerTo, judge } from './support/fuzz-judge.ts';
import { type FuzzRequest, type FuzzWorld, requestsFor } from './support/fuzz-request.ts';
import { type FuzzStage, setFuzzStage } from './support/fuzz-stage.ts';
import { type LedgerFigures, ledgerFigures } from './support/hostile-ledger.ts';

/*
 * Both services are fuzzed from the documents that they serve. `FUZZ_RUNS=2000 npx vitest run --project e2e test/fuzz` makes so many requests
 * of each operation with a seed of the moment; `FUZZ_SEED` repeats one.
 */
const { FUZZ_RUNS, FUZZ_SEED } = process.env;
const runsPerOperation = Number(FUZZ_RUNS ?? 200);
const fixedSeed = 20_260_217;
const seed = Number(FUZZ_SEED ?? (FUZZ_RUNS === undefined ? fixedSeed : Date.now() % 2 ** 31));
const storyCharsMax = 4000;
const operationTimeoutMs = Math.max(60_000, runsPerOperation * 250);

const nameOf = ({ method, path }: RouteDefinition): string => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`;

let stage: FuzzStage;
let pids: number[];
let before: LedgerFigures;
beforeAll(async () => {
  process.stderr.write(`fuzz: ${runsPerOperation} requests of each operation, FUZZ_SEED=${seed}\n`);
  stage = await setFuzzStage();
  pids = pidsNow();
  before = await ledgerFigures(stage.pool);
});
afterAll(() => stage.stop());

const pidsNow = (): number[] => stage.night.stack.processes.map(({ pid }) => pid);

/** Makes requests of one operation and judges every answer; `onAnswer` sees what came back. */
async function fuzz(
  baseUrl: string,
  operation: Operation,
  world: FuzzWorld,
  onAnswer: (request: FuzzRequest, status: number) => void = () => undefined,
): Promise<void> {
  const port = Number(new URL(baseUrl).port);
  const property = fc.asyncProperty(requestsFor(operation, world), async (request) => {
    const answer = await answerTo(port, request);
    if (answer !== undefined) onAnswer(request, answer.status);
    judge(operation, request, answer);
  });
  const found = await fc.check(property, {
    numRuns: runsPerOperation,
    seed,
    interruptAfterTimeLimit: operationTimeoutMs * 0.8,
    markInterruptAsFailure: true,
  });
  if (found.failed) expect.fail(storyOf(found));
  expect((await fetch(`${baseUrl}/readyz`)).status).toBe(200);
  expect(pidsNow(), 'no process ended').toEqual(pids);
}

/** The message of what failed has the exchange, cut to what one reads; the request itself may be of megabytes. */
function storyOf({
  seed,
  numRuns,
  numShrinks,
  interrupted,
  errorInstance,
}: Pick<fc.RunDetails<unknown>, 'seed' | 'numRuns' | 'numShrinks' | 'interrupted' | 'errorInstance'>): string {
  const why =
    errorInstance instanceof Error ? errorInstance.message : String(errorInstance ?? 'interrupted: out of time');
  const when = `FUZZ_SEED=${seed}, run ${numRuns}, made smaller ${numShrinks} times${interrupted ? ', interrupted' : ''}`;
  return `${when}: ${why.slice(0, storyCharsMax)}`;
}

const reconciliation = async (id: string) => (await stage.night.ops('GET', `/events/${id}/reconciliation`)).body;

/** Proves of the public REST: whatever comes in, every answer is documented, none is a defect or tells of one, and nothing is booked. */
describe('the public door under a fuzz of its own document', () => {
  let operations: Operation[];
  beforeAll(async () => {
    operations = await readOperations(stage.night.stack.gatewayUrl);
  });

  it('serves the document of its routes', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual(publicRoutes.map(nameOf).sort());
  });

  it.each(publicRoutes.map(nameOf))(
    '%s',
    async (name) => {
      await fuzz(stage.night.stack.gatewayUrl, operations.find((one) => one.name === name)!, stage.door);
    },
    operationTimeoutMs,
  );

  it('has booked nothing', async () => {
    expect(await ledgerFigures(stage.pool)).toEqual(before);
    expect(await reconciliation(stage.liveId)).toMatchObject({
      balanced: true,
      violations: [],
      packets: { granted: 1 },
    });
  });
});

/** Proves the same of the operations REST, and that its audit log names what was done, by whom, and nothing that was not. */
describe('the operations door under a fuzz of its own document', () => {
  let operations: Operation[];
  let auditedBefore: number;
  /** Acts that the service says it did, by the first word of what the audit log calls them. */
  const done = new Map<string, number>();
  beforeAll(async () => {
    operations = await readOperations(stage.night.stack.opsUrl);
    auditedBefore = (await auditRows()).length;
  });

  const auditRows = async () => {
    const text = 'SELECT actor, action, detail FROM audit_log ORDER BY id';
    return (await stage.pool.query<{ actor: string; action: string; detail: Record<string, unknown> }>(text)).rows;
  };

  it('serves the document of its routes', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual(opsRoutes.map(nameOf).sort());
  });

  it.each(opsRoutes.map(nameOf))(
    '%s',
    async (name) => {
      const operation = operations.find((one) => one.name === name)!;
      await fuzz(stage.night.stack.opsUrl, operation, stage.operations, (request, status) => {
        if (request.method === 'GET' || request.method === 'HEAD' || status >= 300) return;
        expect(request.as, 'who acted').toBe('operator');
        done.set(actionOf(request), (done.get(actionOf(request)) ?? 0) + 1);
      });
    },
    operationTimeoutMs,
  );

  it('has booked what operators did and nothing else', async () => {
    const after = await ledgerFigures(stage.pool);
    const { transfers } = after;
    const { 'transfer grant': grant, 'transfer grab': grab } = transfers;
    expect({ ...after, transfers: { grant, grab } }).toEqual({
      ...before,
      transfers: { grant: before.transfers['transfer grant'], grab: before.transfers['transfer grab'] },
    });
    for (const id of [stage.liveId, stage.settledId, stage.draftId])
      expect(await reconciliation(id)).toMatchObject({ balanced: true, violations: [] });
  });

  it('has audited every act that was done, and none of anybody else', async () => {
    const rows = (await auditRows()).slice(auditedBefore);
    expect(rows.filter(({ actor }) => !actor.startsWith('operator:') && actor !== 'system')).toEqual([]);
    const concluded = rows.filter(({ detail }) => detail['result'] === 'done');
    for (const action of ['event.create', 'event.arm', 'event.close', 'event.settle', 'dead_letter.replay'])
      expect(concluded.filter((row) => row.action === action).length, action).toBe(done.get(action) ?? 0);
    // a change that changes nothing is not written down
    for (const action of ['degradation.tier', 'degradation.feature'])
      expect(rows.filter((row) => row.action === action).length, action).toBeLessThanOrEqual(done.get(action) ?? 0);
    expect(done.get('event.create')).toBeGreaterThan(0);
    expect(done.get('event.arm')).toBeGreaterThan(0);
    expect(done.get('degradation.tier')).toBeGreaterThan(0);
  });
});

/** What the audit log calls an act. */
function actionOf({ target }: FuzzRequest): string {
  const path = target.replace(/\?.*/, '');
  if (path.startsWith('/ops/v1/degradation/'))
    return path.endsWith('/tier') ? 'degradation.tier' : 'degradation.feature';
  if (path.startsWith('/ops/v1/dead-letters/')) return 'dead_letter.replay';
  return `event.${path === '/ops/v1/events' ? 'create' : path.split('/').at(-1)}`;
}
