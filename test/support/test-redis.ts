import { startRedis, type PrivateRedis, type RedisOptions } from '../../scripts/redis.js';

/** `npm run test:servers` sets the rules of the user with whom the package connects; tests look into Redis as its admin. */
export function startTestRedis(options: RedisOptions = {}): Promise<PrivateRedis> {
  const user = process.env['ELKMQ_TEST_USER'];
  return startRedis(user ? { user, ...options } : options);
}
