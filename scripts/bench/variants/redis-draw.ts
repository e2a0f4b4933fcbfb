import { type RedisClient, runScript } from '#libs/redis';
import { redisDrawScript } from './redis-draw.lua.ts';

const keys = { stock: 'bench:{draw}:stock', users: 'bench:{draw}:users', chance: 'bench:{draw}:chance' };
const packets = 1_000_000_000;

export type Drawn = { readonly result: 'hit'; readonly packet: number } | { readonly result: 'miss' | 'limit' };

/** The draw in Redis. */
export class RedisDraw {
  constructor(private readonly client: RedisClient) {}

  /** Puts packets in stock, more than are ever won, and sets the chance. */
  async stock(chance: number): Promise<void> {
    await this.client.mset(keys.stock, packets, keys.chance, chance);
  }

  async draw(userId: string, perUserMax: number, luck: number): Promise<Drawn> {
    const args = [userId, perUserMax, luck];
    const answer = Number(await runScript(this.client, redisDrawScript, [keys.stock, keys.users, keys.chance], args));
    if (answer >= 0) return { result: 'hit', packet: answer };
    return { result: answer === -2 ? 'limit' : 'miss' };
  }
}
