/** Settings of a run, from the environment of k6; `npm run loadtest` fills in the addresses and the token of `npm start`. */
function textOf(name: string, fallback?: string): string {
  const value = __ENV[name] || fallback;
  if (value === undefined) throw new Error(`${name} is not set (npm run loadtest reads it from DATA_DIR)`);
  return value;
}

function integerOf(name: string, fallback: number, min: number, max: number): number {
  const value = Number(textOf(name, String(fallback)));
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name} must be a whole number from ${min} to ${max}`);
  }
  return value;
}

export const gatewayUrl = textOf('GATEWAY_URL', 'http://127.0.0.1:3000').replace(/\/+$/, '');
export const opsUrl = textOf('OPS_URL', 'http://127.0.0.1:3100').replace(/\/+$/, '');
export const opsToken = textOf('OPS_TOKEN');
/** Phones: each is one virtual user of k6. */
export const phones = integerOf('PHONES', 1000, 1, 100_000);
/** Seconds of shaking. */
export function shakingSecondsOr(fallback: number): number {
  return integerOf('SECONDS', fallback, 10, 3600);
}
export const packets = integerOf('PACKETS', 2000, 100, 10_000_000);
