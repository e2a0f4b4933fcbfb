import { z } from 'zod';
import { isPortFree } from '#libs/localservers';
import { serviceEnv, servicesOf } from './service-env.ts';
import { SettingsError, type StackOptions } from './stack-options.ts';

const port = (fallback: number) => z.coerce.number().int().min(1).max(65_535).default(fallback);
const onOff = (fallback: 'on' | 'off') => z.enum(['on', 'off']).default(fallback);
const url = (protocol: RegExp, kind: string) => z.url({ protocol, error: `must be a ${kind} URL` }).optional();
const gatewaysMax = 64;

const environmentSchema = z.object({
  PORT: port(3000),
  OPS_PORT: port(3100),
  DATA_DIR: z.string().default('.data'),
  DATABASE_URL: url(/^postgres(ql)?$/, 'postgres or postgresql'),
  REDIS_URL: url(/^rediss?$/, 'redis or rediss'),
  GATEWAYS: z.coerce.number().int().min(1).max(gatewaysMax).default(1),
  SPLIT: onOff('off'),
  MONEY_PORT: port(3001),
  DEMO_EVENT: onOff('on'),
});

/** What `npm start` was asked for. Throws {@link SettingsError} with every setting that it or one of its services refuses. */
export function stackOptionsOf(environment: NodeJS.ProcessEnv): StackOptions {
  const env = cleanEnvironment(environment);
  const parsed = environmentSchema.safeParse(env);
  if (parsed.success) return checked(optionsOf(parsed.data, env), []);
  // With the defaults in place of what is wrong, the services can be asked about the rest.
  const bad = new Set(parsed.error.issues.map((issue) => String(issue.path[0])));
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !bad.has(name)));
  return checked(optionsOf(environmentSchema.parse(rest), rest), faultsOf(parsed.error, env));
}

function checked(options: StackOptions, known: readonly string[]): StackOptions {
  const faults = [...known, ...findServiceFaults(options)];
  if (faults.length > 0) throw new SettingsError(faults);
  return options;
}

function optionsOf(settings: z.output<typeof environmentSchema>, env: Record<string, string>): StackOptions {
  return {
    dataDir: settings.DATA_DIR,
    port: settings.PORT,
    opsPort: settings.OPS_PORT,
    gateways: settings.GATEWAYS,
    split: settings.SPLIT === 'on',
    ...(settings.SPLIT === 'on' ? { moneyPort: settings.MONEY_PORT } : {}),
    demoEvent: settings.DEMO_EVENT === 'on',
    databaseUrl: settings.DATABASE_URL,
    redisUrl: settings.REDIS_URL,
    env,
  };
}

/** Everything that can be found wrong before anything is started: settings of each service, ports that are taken. */
export async function findStackFaults(options: StackOptions): Promise<string[]> {
  const faults = findServiceFaults(options);
  const host = options.env?.['HOST'] ?? '127.0.0.1';
  const money = options.moneyPort === undefined ? {} : { MONEY_PORT: options.moneyPort };
  const given = Object.entries({ PORT: options.port, ...money, OPS_PORT: options.opsPort });
  for (const [name, number] of given) {
    if (!(await isPortFree(number, host))) faults.push(`${name}: ${host}:${number} is in use or not to be had`);
  }
  for (const [at, [name, number]] of given.entries()) {
    const same = given.slice(0, at).find(([, other]) => other === number);
    if (same !== undefined) faults.push(`${name}: is the same as ${same[0]}`);
  }
  return faults;
}

function findServiceFaults(options: StackOptions): string[] {
  const faults = servicesOf(options).flatMap((service) => {
    const env = serviceEnv(service, options, 'draft');
    const { success, error } = service.schema.safeParse(env);
    return success ? [] : faultsOf(error, env);
  });
  return [...new Set(faults)];
}

function faultsOf(error: z.ZodError, env: Readonly<Record<string, string>>): string[] {
  return error.issues.map((issue) => {
    const name = issue.path.join('.');
    return `${name}: ${env[name] === undefined ? 'is missing' : issue.message}`;
  });
}

/** Empty counts as absent. What npm and Node's own tools put there is not for the services. */
function cleanEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      entry[1] !== '' &&
      !/^(npm_|NODE_OPTIONS$|VITEST|NODE_CHANNEL|NODE_UNIQUE_ID$)/.test(entry[0]),
  );
  return Object.fromEntries(entries);
}
