import { setMaxListeners } from 'node:events';
import { HongbaoClient } from '#libs/client';
import { randomOf } from '../rehearse/random.ts';
import { ChaosUser } from './chaos-user.ts';
import type { CrowdScene, Friend } from './crowd-scene.ts';

const sessionsAtOnce = 16;
/** A guest's session lives for a day. */
const sessionMaxMs = 6 * 3_600_000;

/** The people: the same over all rounds of a system, each signed in once. */
export class Population {
  private readonly tokens = new Map<string, { readonly token: string; readonly madeAtMs: number }>();

  constructor(private readonly baseUrl: string) {}

  /** Session tokens of the first `count` users, by user. */
  async signIn(count: number): Promise<ReadonlyMap<string, string>> {
    const userIds = Array.from({ length: count }, (_, no) => `user-${String(no).padStart(4, '0')}`);
    const queue = userIds.values();
    const work = async (): Promise<void> => {
      for (const userId of queue) await this.ensure(userId);
    };
    await Promise.all(Array.from({ length: sessionsAtOnce }, work));
    return new Map(userIds.map((userId) => [userId, this.tokens.get(userId)!.token]));
  }

  private async ensure(userId: string): Promise<void> {
    const known = this.tokens.get(userId);
    if (known !== undefined && Date.now() - known.madeAtMs < sessionMaxMs) return;
    const { token } = await new HongbaoClient({ baseUrl: this.baseUrl, userId }).createSession();
    this.tokens.set(userId, { token, madeAtMs: Date.now() });
  }
}

/** Lets everybody shake, open, share and grab until all of it has an outcome, or the signal ends it. */
export async function liveCrowd(
  scene: Omit<CrowdScene, 'friends'>,
  tokens: ReadonlyMap<string, string>,
): Promise<ChaosUser[]> {
  setMaxListeners(0, scene.signal);
  const random = randomOf(scene.plan.seed, `round ${scene.plan.round} friends`);
  const users: ChaosUser[] = [];
  const friends = (count: number, except: Friend): Friend[] => {
    const others = Array.from({ length: count }, () => random.pick(users));
    return others.filter((user) => user !== undefined && user !== except) as Friend[];
  };
  for (const [userId, token] of tokens) users.push(new ChaosUser({ ...scene, friends }, userId, token));
  for (const user of users) scene.tasks.run('shake', () => user.live());
  await scene.tasks.drained();
  return users;
}

const questionsAtOnce = 12;
type Asked = Pick<CrowdScene, 'tasks' | 'signal'>;

/** Asks for everything once more, at another gateway where there was one: every outcome must come back the same (invariant 7). */
export async function askAgain(users: readonly ChaosUser[], share: number, asked: Asked): Promise<void> {
  await askAll(
    users.flatMap((user) => user.questions(share)),
    asked,
  );
}

/** Asks for what was put off until the event is settled. */
export async function askPutOff(users: readonly ChaosUser[], asked: Asked): Promise<void> {
  await askAll(
    users.flatMap((user) => user.questionsPutOff()),
    asked,
  );
}

async function askAll(asked: readonly (() => Promise<void>)[], { tasks, signal }: Asked): Promise<void> {
  const questions = asked.values();
  const work = async (): Promise<void> => {
    for (const question of questions) {
      if (signal.aborted) return;
      await question().catch((error: unknown) => tasks.failed('question', error));
    }
  };
  await Promise.all(Array.from({ length: questionsAtOnce }, work));
}
