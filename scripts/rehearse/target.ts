import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#libs/localservers';
import { type Stack, startStack } from '../stack/index.ts';
import type { RehearsalOptions } from './options.ts';

/** The system under rehearsal. */
export interface Target {
  readonly gatewayUrl: string;
  readonly opsUrl: string;
  readonly opsToken: string;
  /** Present when the rehearsal started it. */
  readonly stack?: Stack;
  /** Ends it, and throws its data and logs away unless `isKept`. */
  close(isKept: boolean): Promise<void>;
}

/** It is settled when every user has his outcomes: after Redis was killed no phone is waited for. */
const ownSettings = { RECEIPT_GRACE_MS: '1000' };

/** A system that runs already, or one of its own on free ports with a data folder of its own. */
export async function openTarget(
  options: RehearsalOptions,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Target> {
  if (options.target) return { ...options.target, close: async () => undefined };
  const dataDir = await mkdtemp(join(tmpdir(), 'hongbao-rehearsal-'));
  const removeData = (): Promise<void> => rm(dataDir, { recursive: true, force: true });
  try {
    say('starting a system of its own');
    const [port, opsPort] = [await freePort(), await freePort()];
    const { gateways } = options;
    const stack = await startStack({
      dataDir,
      port,
      opsPort,
      gateways,
      split: false,
      demoEvent: false,
      env: ownSettings,
      say,
      signal,
    });
    const close = async (isKept: boolean): Promise<void> => {
      await stack.stop();
      if (isKept) say(`data and logs of the system are kept in ${dataDir}`);
      else await removeData();
    };
    const { gatewayUrl, opsUrl, opsToken } = stack;
    return { gatewayUrl, opsUrl, opsToken, stack, close };
  } catch (error) {
    await removeData();
    throw error;
  }
}
