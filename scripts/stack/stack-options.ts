export type StackOptions = {
  /** Holds databases, secrets, ports and logs; made when missing. */
  dataDir: string;
  /** The public door. */
  port: number;
  opsPort: number;
  /** Processes behind the one port. */
  gateways: number;
  /** Money requests have a gateway and a port of their own. */
  split: boolean;
  /** Of that gateway; absent: any free one, the same at the next start. */
  moneyPort?: number | undefined;
  /** Makes an event that is live at once, unless one is there. */
  demoEvent: boolean;
  /** Absent: PostgreSQL and Redis of this machine, with their data in `dataDir`. */
  databaseUrl?: string | undefined;
  redisUrl?: string | undefined;
  /** Further settings of the services, by the names of their configuration schemas. */
  env?: Record<string, string>;
  /** Told what a person at the terminal should know, a line at a time. */
  say?: (line: string) => void;
  /** Ends a start that is still under way. */
  signal?: AbortSignal;
};

/** Settings that cannot be used. `message` names every one of them, a line each. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  constructor(readonly faults: readonly string[]) {
    super(`Hongbao cannot start, ${faults.length} bad setting(s):\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  }
}
