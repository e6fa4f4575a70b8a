import { startRedis, type PrivateRedis, type RedisOptions } from '../../scripts/redis.js';

const user = process.env['ELKMQ_TEST_USER'];

/** Whether the user with whom the package connects may run a command, by the name that ACL rules have. */
export function mayRun(command: string): boolean {
  return !user || user.split(' ').includes(`+${command}`);
}

/**
 * Whether a line of the log is there in every test: Redis keeps nothing on disk, or the user with whom the package connects
 * has not got a right.
 */
export function isAboutServer(line: string): boolean {
  const refused = /Redis refuses ([A-Z]+)/.exec(line)?.[1]?.toLowerCase();
  const isGranted = refused === undefined || !user || user.includes(`+${refused}`);
  return !isGranted || line.includes('on disk');
}

/** `npm run test:servers` sets the rules of the user with whom the package connects; tests look into Redis as its admin. */
export function startTestRedis(options: RedisOptions = {}): Promise<PrivateRedis> {
  return startRedis(user ? { user, ...options } : options);
}
