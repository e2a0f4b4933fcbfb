import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatewayConfigSchema } from '#libs/contracts';
import { freePort } from '#libs/localservers';
import { Link } from '../../scripts/chaos/link.ts';
import type { ChaosSystem } from '../../scripts/chaos/system.ts';
import { loadSecrets } from '../../scripts/stack/secrets.ts';
import { portNames, serviceEnv } from '../../scripts/stack/service-env.ts';
import { ServiceProcess } from '../../scripts/stack/service-process.ts';

const host = '127.0.0.1';
/** As the gateways of the system: an open is durable within half of the grace, or refused. */
const settings = { OPEN_ACCEPT_MAX_MS: '600', OPEN_REPLY_WAIT_MS: '400', SHUTDOWN_TIMEOUT_MS: '4000' };

/**
 * A site of its own: one more gateway of a running system, which stands elsewhere. All of its ways to the rest lead over lines of its own, which
 * can fail together while the other gateways keep theirs. Phones reach it directly: they are where it is.
 */
export class Site {
  private constructor(
    readonly url: string,
    private readonly links: readonly Link[],
    private readonly gateway: ServiceProcess,
    private readonly dataDir: string,
  ) {}

  /** @param more settings of its gateway. */
  static async open(system: ChaosSystem, more: Readonly<Record<string, string>> = {}): Promise<Site> {
    const at = (port: number) => ({ host, port });
    const [redis, allocation, share] = await Promise.all([
      Link.open([at(Number(new URL(system.redisUrl).port))]),
      Link.open([at(system.portOf('allocation-0')), at(system.portOf('allocation-1'))]),
      Link.open([at(system.portOf('share'))]),
    ]);
    const dataDir = await mkdtemp(join(tmpdir(), 'hongbao-site-'));
    const port = await freePort();
    const definition = { name: 'gateway-site', app: 'gateway', schema: gatewayConfigSchema, role: 'all' } as const;
    const options = {
      dataDir,
      port,
      opsPort: 0,
      gateways: 1,
      split: false,
      demoEvent: false,
      env: { ...settings, ...more },
    };
    const env = serviceEnv(definition, options, {
      secrets: await loadSecrets(system.dataDir, {}),
      redisUrl: redis.urlFor(system.redisUrl),
      databaseUrl: '',
      ports: { [portNames.allocation]: allocation.port, [portNames.share]: share.port },
    });
    const gateway = new ServiceProcess({
      name: definition.name,
      app: definition.app,
      env,
      isClustered: false,
      logFile: join(dataDir, 'gateway-site.log'),
      readyUrl: `http://${host}:${port}/readyz`,
      readyCount: 1,
      say: () => undefined,
    });
    const site = new Site(`http://${host}:${port}`, [redis, allocation, share], gateway, dataDir);
    try {
      await gateway.start();
    } catch (error) {
      await site.close();
      throw error;
    }
    return site;
  }

  /** Nobody outside is reached any more: connections end, and new ones are refused. */
  cut(): void {
    for (const link of this.links) {
      link.refuse(true);
      link.cut();
    }
  }

  /** What it asks goes nowhere, and nobody says so: a line that swallows everything. */
  silence(): void {
    for (const link of this.links) link.drop('requests');
  }

  mend(): void {
    for (const link of this.links) link.mend();
  }

  async close(): Promise<void> {
    await this.gateway.stop();
    for (const link of this.links) link.close();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
