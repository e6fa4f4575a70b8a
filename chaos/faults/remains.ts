import type { Redis } from 'ioredis';

/** A dead letter, as `docs/protocol.md` describes it. */
export interface Letter {
  readonly reason: string;
  readonly fields: readonly string[];
  readonly lastAt: number;
  readonly consumer: string;
}

/** What a run leaves in Redis, read without the package. */
export interface Remains {
  /** By number of the message. */
  readonly letters: ReadonlyMap<number, Letter>;
  /** Keys that should not be there, or say so of what is in them. */
  readonly leftoverKeys: string[];
}

const BODY_PAGE = 5_000;

export function keysOf(queue: string) {
  return {
    eventStream: `${queue}(event_stream)`,
    delayed: `${queue}(delayed)`,
    laneBodies: `${queue}(lane_bodies)`,
    letters: `${queue}(dead_letters)`,
    letterBodies: `${queue}(dead_letter_bodies)`,
    /**
     * What goes by itself: what a client leaves that was killed, deduplication keys, marks of cancelled requests, the
     * registry of workers, the count of ids of messages that wait, the turn of a worker that was killed, and the rates.
     */
    temporary: new RegExp(
      `^${queue}\\((?:inbox\\):|producer\\):|deduplication\\):|(?:cancelled|workers|lane_ids|lane_sweep|rates)\\)$)`,
    ),
  };
}

/** How many messages are waiting, pending or delayed, also behind ordering keys. */
export async function unfinished(redis: Redis, queue: string): Promise<number> {
  const { eventStream, delayed, laneBodies } = keysOf(queue);
  const waiting = (await redis.xlen(eventStream)) + (await redis.hlen(laneBodies));
  return waiting + (await redis.zcard(delayed));
}

/** @param partition whether the queue is a partition, beside others on the same server */
export async function readRemains(redis: Redis, queue: string, partition = false): Promise<Remains> {
  const { eventStream, letters, letterBodies, temporary } = keysOf(queue);
  const kept = [eventStream, letters, letterBodies];
  // A client that is killed while it tries its commands leaves the last one. The next client deletes it.
  if (partition) kept.push(`${queue}(partitions)`, `${queue}(rights)`);
  const leftoverKeys: string[] = [];
  for (const key of await redis.keys(partition ? `${queue}(*` : '*')) {
    if (temporary.test(key) ? (await redis.pttl(key)) === -1 : !kept.includes(key)) leftoverKeys.push(key);
  }
  const entries = await redis.xlen(eventStream);
  if (entries > 0) leftoverKeys.push(`${eventStream} with ${entries} entries`);
  const [pending] = (await redis.xpending(eventStream, 'elkmq')) as [number];
  if (pending > 0) leftoverKeys.push(`${eventStream} with ${pending} pending entries`);
  return { letters: await readLetters(redis, letters, letterBodies), leftoverKeys };
}

async function readLetters(redis: Redis, letters: string, bodies: string): Promise<Map<number, Letter>> {
  const found = new Map<number, Letter>();
  for (let start = 0; ; start += BODY_PAGE) {
    const origins = await redis.zrange(letters, start, String(start + BODY_PAGE - 1));
    if (origins.length === 0) return found;
    for (const body of await redis.hmget(bodies, ...origins)) {
      const letter = JSON.parse(body ?? '') as Letter;
      const event = JSON.parse(letter.fields[letter.fields.indexOf('event') + 1] ?? '') as {
        payload: string;
      };
      found.set((JSON.parse(event.payload) as { number: number }).number, letter);
    }
  }
}
