/**
 * What each service's Node is told: half of V8's young generation (MB). It grows to three times that under load, and no more than 8 keeps a
 * gateway with a million users below 200 MB. Who opens packets keeps a thousand of them under way, each for longer than it takes to fill
 * 8 MB: what is still needed is then copied, time and again; 32 took a fifth off the CPU time of an open (docs/benchmarks.md, suite opens).
 * The Dockerfile, docker-compose.yml and `npm run start:…` say the same.
 */
const semiSpaceMb = { usual: 8, opens: 32 };

export function nodeFlagsOf(app: string, env: Readonly<Record<string, string>>): string[] {
  const takesOpens = app === 'allocation' || env['GATEWAY_ROLE'] === 'money';
  return [`--max-semi-space-size=${takesOpens ? semiSpaceMb.opens : semiSpaceMb.usual}`];
}
