import { join } from 'node:path';
import { freePort, makePassableDir } from '#libs/localservers';
import { numberText } from '../frame/report.ts';
import { type BarRule, type BenchContext, judged, type Part, suiteOf } from '../frame/suite.ts';
import { median, rounded } from '../measure/statistics.ts';
import { type ColdStart, coldStart } from './cold-start.ts';

const rounds = 5;
const quickRounds = 2;
const readyBar: BarRule = { name: 'npm start with data present, to ready, s', sense: 'at most', bar: 5 };

/** A DATA_DIR of its own, and ports that stay the same over all starts, as those of `npm start` do. */
class StartStage {
  private constructor(
    readonly context: BenchContext,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  static async open(context: BenchContext): Promise<StartStage> {
    const home = join(context.dir, 'start');
    await makePassableDir(home);
    const [port, opsPort] = [await freePort(), await freePort()];
    const settings = { DATA_DIR: join(home, 'data'), PORT: String(port), OPS_PORT: String(opsPort), LOG_LEVEL: 'warn' };
    return new StartStage(context, settings);
  }

  start(): Promise<ColdStart> {
    this.context.signal.throwIfAborted();
    return coldStart(this.context.machine.cores, this.settings);
  }

  async close(): Promise<void> {
    // every start has ended
  }
}

/** The first start makes databases, secrets and the demo event, which is live; those after it find them. */
const dataPart: Part<StartStage> = {
  name: 'data',
  bars: [readyBar],
  measure: async (stage) => {
    const fresh = await stage.start();
    const starts: ColdStart[] = [];
    while (starts.length < (stage.context.isQuick ? quickRounds : rounds)) starts.push(await stage.start());
    const seconds = starts.map((start) => start.seconds);
    const middle = median(seconds);
    return {
      figures: {
        freshSeconds: rounded(fresh.seconds),
        seconds: seconds.map(rounded),
        saidSeconds: starts.map((start) => start.saidSeconds),
        medianSeconds: rounded(middle),
      },
      rows: [
        {
          name: readyBar.name,
          value: numberText(middle),
          beside: `${numberText(fresh.seconds)} without data`,
          bar: judged(readyBar, middle),
        },
      ],
    };
  },
};

/** How long whoever starts the system waits for it. */
export const startSuite = suiteOf<StartStage>({
  name: 'start',
  about: 'npm start, built, until everything is ready, on the data of the start before',
  open: (context) => StartStage.open(context),
  parts: [dataPart],
});
