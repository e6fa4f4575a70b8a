import type { Redis } from 'ioredis';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { redis } from './queue.js';

export interface Entry {
  readonly id: string;
  /** Name and value in turn, as they are in Redis. */
  readonly fields: string[];
}

/** The entries of the event stream of `queue`, oldest first. */
export function eventsOf(queue: string, client: Redis = redis): Promise<Entry[]> {
  return entriesOf(`${queue}(event_stream)`, client);
}

export async function entriesOf(stream: string, client: Redis = redis): Promise<Entry[]> {
  return (await client.xrange(stream, '-', '+')).map(([id, fields]) => ({ id, fields }));
}

/** The payloads of all events in `queue`, oldest first. */
export async function payloadsOf(queue: string, client: Redis = redis): Promise<unknown[]> {
  return (await eventsOf(queue, client)).map(({ fields }) => {
    const { payload } = JSON.parse(fields[1] ?? '') as { payload: unknown };
    return payload;
  });
}

/** Stores an event as a client of the original does. @returns its id */
export async function enqueueAsTheOriginal(queue: string, json: string | Buffer): Promise<string> {
  const id = await redis.xadd(`${queue}(event_stream)`, '*', 'event', json);
  if (id === null) throw new Error('XADD answered nothing');
  await redis.lpush(`${queue}(message_queue)`, id);
  return id;
}

/** The milliseconds of an entry's id. */
export function millisecondsOf(id: string): number {
  return Number(id.slice(0, id.indexOf('-')));
}

/**
 * Puts a pending entry back into the queue, as any worker can.
 * @param attempts how many attempts it counts
 * @param error of the attempt that is added
 * @param legacyLimit up to which id legacy consumers may take events of legacy producers: `+` all, empty none
 */
export async function putBack(
  queue: string,
  id: string,
  attempts: number,
  legacyLimit = '',
  error = { name: '', message: '' },
): Promise<void> {
  const args = {
    group: GROUP,
    attempts,
    consumer: '',
    minIdle: 0,
    legacyLimit,
    keptLonger: 1_000,
    errorName: error.name,
    errorMessage: error.message,
    ids: [id],
  };
  await runScript(redis, scripts.requeue(new QueueKeys(queue, false), args));
}
