export * from './channel-subscriber.ts';
export * from './degradation.ts';
export * from './events.ts';
export * from './feed.ts';
export * from './figures.ts';
export * from './json-of.ts';
export { keys } from './keys.ts';
export type { Log } from './log.ts';
export { type LuaScript, luaScript, runScript } from './lua-script.ts';
export {
  type CreateRedisOptions,
  closeRedis,
  createRedis,
  logOutages,
  type RedisClient,
  type RedisRole,
  whenRedisReady,
} from './redis-client.ts';
export * from './redis-errors.ts';
export * from './replies.ts';
export * from './stock.ts';
export * from './store-clock.ts';
export * from './tier-lease.ts';
