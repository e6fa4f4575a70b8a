import type { Redis } from 'ioredis';

/** Keys of others, which nothing may touch, and keys of ours that only look like inboxes. */

const OTHER = 'victim';

/** Reply addresses that would lead elsewhere if they were used as they are. */
export function badAddresses(queue: string): string[] {
  return [
    OTHER,
    `${OTHER}(inbox):client`,
    `${OTHER}(event_stream)`,
    `${queue}(event_stream)`,
    `../${OTHER}(inbox):client`,
    `x)${OTHER}`,
    'string',
    'list',
    'hash',
    'nobody',
    '__proto__',
    'constructor',
    ' ',
    'client ',
    'client\n',
    'client\u0000',
    'clïent',
    '*',
    '{}',
    'x'.repeat(64),
    'x'.repeat(65),
    'x'.repeat(100_000),
  ];
}

export async function writeDecoys(redis: Redis, queue: string): Promise<void> {
  await redis.set(OTHER, 'mine');
  for (const name of [
    `${OTHER}(event_stream)`,
    `${OTHER}(inbox):client`,
    `${OTHER}(inbox):nobody`,
    'client',
  ]) {
    await redis.xadd(name, '1-1', 'event', 'mine');
  }
  await redis.set(`${queue}(inbox):string`, 'mine');
  await redis.rpush(`${queue}(inbox):list`, 'mine');
  await redis.hset(`${queue}(inbox):hash`, 'field', 'mine');
  // The names that these addresses make, were they not looked at.
  for (const address of badAddresses(queue).filter((name) => !/^[\w-]{1,64}$/.test(name))) {
    await redis.xadd(`${queue}(inbox):${address}`, '1-1', 'event', 'mine');
  }
}

/** The content of every key, those of `busy` left out: what they are is compared elsewhere. */
export async function snapshot(redis: Redis, busy: (key: string) => boolean): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for (const key of await redis.keys('*')) {
    if (!busy(key)) content.set(key, (await redis.dumpBuffer(key)).toString('base64'));
  }
  return content;
}

/** Keys that are not as they were. */
export function changes(before: Map<string, string>, after: Map<string, string>): string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key)).map((key) => key.slice(0, 100));
}
