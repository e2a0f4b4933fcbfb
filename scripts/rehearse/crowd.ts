import { hoard } from './hoarder.ts';
import type { Random } from './random.ts';
import { type Scene, serverNowMs } from './scene.ts';
import { type Friends, VirtualUser } from './virtual-user.ts';

const hoarders = 3;

/** Everybody who takes part in the night. */
export class Crowd implements Friends {
  private readonly joined: VirtualUser[] = [];

  constructor(
    private readonly scene: Scene,
    private readonly users: number,
  ) {}

  /** Sets all users off; their tasks end when the night does. */
  start(): void {
    const { scene } = this;
    const nowMs = serverNowMs(scene);
    for (const userId of this.userIds().slice(hoarders)) {
      const user = new VirtualUser(scene, this, userId, nowMs);
      scene.tasks.run('shake', () => user.live());
    }
    for (const userId of this.userIds().slice(0, hoarders)) scene.tasks.run('shake', () => hoard(scene, userId));
  }

  userIds(): string[] {
    return Array.from({ length: this.users }, (_, index) => `${this.scene.userPrefix}-${index}`);
  }

  join(user: VirtualUser): void {
    this.joined.push(user);
  }

  pick(random: Random, count: number, except: VirtualUser): VirtualUser[] {
    const picked = new Set<VirtualUser>();
    for (let tries = 0; tries < count * 2 && picked.size < count; tries += 1) {
      const friend = random.pick(this.joined);
      if (friend && friend !== except) picked.add(friend);
    }
    return [...picked];
  }
}
