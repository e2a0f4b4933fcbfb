import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export const howToGetK6 = `k6 was not found: it is one binary, from https://grafana.com/docs/k6/latest/set-up/install-k6/
  Debian or Ubuntu   see there for the package repository, then: apt-get install k6
  macOS              brew install k6
  with Go            go install go.k6.io/k6@v1.3.0
Put it on the PATH, or name it in K6_BIN.`;

/** The k6 to run: `K6_BIN` when it is set, else the first on the PATH. Undefined when there is none that can be executed. */
export function findK6(env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (env['K6_BIN']) return isProgram(env['K6_BIN']) ? env['K6_BIN'] : undefined;
  const places = (env['PATH'] ?? '').split(delimiter).filter((dir) => dir !== '');
  return places.map((dir) => join(dir, 'k6')).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}
