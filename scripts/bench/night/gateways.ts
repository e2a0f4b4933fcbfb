import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '#libs/localservers';
import { makeSecrets, type Secrets } from '../../stack/secrets.ts';
import { ServiceProcess } from '../../stack/service-process.ts';
import { pin } from '../measure/pinning.ts';

export interface GatewaysOptions {
  readonly count: number;
  /** The gateways take turns on these. */
  readonly cores: readonly number[];
  readonly redisUrl: string;
  readonly secrets: Secrets;
  /** Their connections to Redis are named after it. */
  readonly name: string;
  readonly logDir: string;
  readonly say: (line: string) => void;
}

/** What a gateway is given, as `npm start` gives it; nobody is behind it: a shake asks nobody. */
export async function gatewayEnv(
  options: Pick<GatewaysOptions, 'redisUrl' | 'secrets'>,
): Promise<Record<string, string>> {
  const { INTERNAL_TOKEN, TICKET_KEYS, LUCK_SECRET, SESSION_SECRET } = options.secrets;
  const nowhere = 'http://127.0.0.1:9';
  return {
    PATH: process.env['PATH'] ?? '',
    REDIS_URL: options.redisUrl,
    PORT: String(await freePort()),
    METRICS_PORT: String(await freePort()),
    ...{ INTERNAL_TOKEN, TICKET_KEYS, LUCK_SECRET, SESSION_SECRET },
    ALLOCATION_URL: nowhere,
    SHARE_URL: nowhere,
    // all users of a benchmark come from one address: what is limited by address is not what is measured
    NEW_SESSIONS_PER_ADDRESS_PER_SECOND: '1000000',
    EARLY_SHAKES_PER_ADDRESS_PER_SECOND: '1000000',
  };
}

export { makeSecrets };

/** Gateways behind one port, started and supervised as `GATEWAYS=n` does it, each pinned to a core. */
export class Gateways {
  private constructor(
    readonly port: number,
    readonly metricsUrls: readonly string[],
    readonly names: readonly string[],
    private readonly processes: readonly ServiceProcess[],
  ) {}

  static async start(options: GatewaysOptions): Promise<Gateways> {
    const { count, cores, name, logDir, say } = options;
    await mkdir(logDir, { recursive: true });
    const { PORT, ...shared } = await gatewayEnv(options);
    const envs = await Promise.all(
      Array.from({ length: count }, async (_, no) => ({
        ...shared,
        PORT: PORT!,
        METRICS_PORT: String(await freePort()),
        GATEWAY_ID: `${name}-${no}`,
      })),
    );
    const processes = envs.map(
      (env) =>
        new ServiceProcess({
          name: env.GATEWAY_ID,
          app: 'gateway',
          env,
          logFile: join(logDir, `${env.GATEWAY_ID}.log`),
          isClustered: count > 1,
          readyUrl: `http://127.0.0.1:${PORT}/readyz`,
          readyCount: count,
          say,
        }),
    );
    const metricsUrls = envs.map((env) => `http://127.0.0.1:${env.METRICS_PORT}/metrics`);
    const names = envs.map((env) => env.GATEWAY_ID);
    const gateways = new Gateways(Number(PORT), metricsUrls, names, processes);
    try {
      await Promise.all(processes.map((process) => process.start()));
      await Promise.all(processes.map(({ pid }, no) => pin(pid, cores[no % cores.length]!)));
    } catch (error) {
      await gateways.stop();
      throw error;
    }
    return gateways;
  }

  get pids(): number[] {
    return this.processes.map(({ pid }) => pid);
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
  }

  /** Without a wait, for the end of this process. */
  killNow(): void {
    for (const process of this.processes) process.killNow();
  }
}
