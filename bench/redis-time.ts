import type { Redis } from 'ioredis';

/** Calls that take less are not looked at one by one, µs. */
const SLOW_US = 500;

/** Forgets what Redis has measured until now. */
export async function resetTimes(redis: Redis): Promise<void> {
  await redis.config('RESETSTAT');
}

/** Has Redis log the slow calls from now on. The log takes memory of Redis. */
export async function logSlowCalls(redis: Redis): Promise<void> {
  await redis.config('SET', 'slowlog-log-slower-than', SLOW_US);
  await redis.config('SET', 'slowlog-max-len', 100_000);
  await redis.slowlog('RESET');
}

/** The time that Redis has spent on scripts and reads of the group, µs. */
export async function scriptTime(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats');
  const times = stats.matchAll(/^cmdstat_(?:evalsha|eval|xreadgroup):calls=\d+,usec=(\d+)/gm);
  return [...times].reduce((sum, [, usec]) => sum + Number(usec), 0);
}

/** The times of the calls of scripts that took longer than `SLOW_US`, the shortest first, µs. */
export async function slowScripts(redis: Redis): Promise<number[]> {
  const log = (await redis.slowlog('GET', -1)) as [number, number, number, string[]][];
  const scripts = log.filter(([, , , [command = '']]) => /^eval/i.test(command));
  return scripts.map(([, , usec]) => usec).sort((one, other) => one - other);
}
