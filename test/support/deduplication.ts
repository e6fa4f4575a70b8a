import { ElkMqRecordBuilder, type ElkMqRecord } from 'nestjs-elkmq';
import { startClient, told } from './nest.js';
import { redis, until } from './queue.js';

/** A record with a deduplication key. @param window ms; default: that of the client */
export function keyed<T>(data: T, key = 'key', window?: number): ElkMqRecord<T> {
  return new ElkMqRecordBuilder(data).setDeduplicationKey(key, window).build();
}

/** Returns the record in Redis of the request with the key. */
export function recordOf(queue: string, key = 'key'): Promise<Record<string, string>> {
  return redis.hgetall(`${queue}(deduplication):request:${key}`);
}

export async function isKnown(queue: string, key = 'key'): Promise<boolean> {
  return (await redis.exists(`${queue}(deduplication):request:${key}`)) === 1;
}

/** Returns the number of callers that wait for the replies to the request with the key. */
export async function waitersOf(queue: string, key = 'key'): Promise<number> {
  const { waiters = '' } = await recordOf(queue, key);
  return waiters === '' ? 0 : waiters.split(' ').length / 2;
}

/** Two clients have sent the same request, and wait. */
export async function twoWaiting(queue: string) {
  const clients = [startClient({ queue }), startClient({ queue })] as const;
  const answers = [told(clients[0].send('ask', keyed(1)))];
  // The first one of both is the first that is stored.
  await until(async () => (await waitersOf(queue)) === 1);
  answers.push(told(clients[1].send('ask', keyed(2))));
  await until(async () => (await waitersOf(queue)) === 2);
  return { clients, answers };
}
