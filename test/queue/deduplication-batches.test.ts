import { describe, expect, it } from 'vitest';
import { entriesOf } from '../support/entries.js';
import { keyed, recordOf, waitersOf } from '../support/deduplication.js';
import { startClient, told } from '../support/nest.js';
import { newQueueName, redis, until } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

const COUNT = 20;
const numbers = Array.from({ length: COUNT }, (_, number) => number);

/** A worker whose handlers all answer in one tick, when they are let go on. */
async function startHolding(queue: string) {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const begun: unknown[] = [];
  const ask = async (payload: unknown): Promise<unknown> => {
    begun.push(payload);
    await opened;
    return payload;
  };
  await startWorker({ queue, concurrency: COUNT }, { ask });
  return { begun, answer: open };
}

describe('deduplicated requests that end together', () => {
  it('come to their caller as one entry of its inbox', async () => {
    const queue = newQueueName();
    const inbox = `${queue}(inbox):tester`;
    await redis.xadd(inbox, '*', 'created', '');
    await redis.expire(inbox, 60);
    for (const number of numbers) {
      const key = `k${String(number)}`;
      const record = { origin: '', ends: '9999999999999', waiters: `tester ${String(number)}` };
      const json = `{"request_uuid":${String(number)},"timeout":60,"action":"ask","payload":"${String(number)}"}`;
      const fields = ['event', json, 'reply_to', 'tester', 'deduplication', key];
      const origin = String(await redis.xadd(`${queue}(event_stream)`, '*', ...fields));
      await redis.hset(`${queue}(deduplication):request:${key}`, { ...record, origin });
      await redis.expire(`${queue}(deduplication):request:${key}`, 60);
    }
    const { begun, answer } = await startHolding(queue);
    await until(() => begun.length === COUNT);
    answer();
    await until(async () => (await redis.xlen(`${queue}(event_stream)`)) === 0);
    const packs = (await entriesOf(inbox)).filter(({ fields: [name] }) => name === 'replies');
    expect(packs).toHaveLength(1);
    const replies = JSON.parse(packs[0]?.fields[1] ?? '') as [string, number, number, number, object][];
    expect(
      replies.map(([request, attempt, number, last]) => [Number(request), attempt, number, last]),
    ).toEqual(numbers.map((number) => [number, 1, 0, 1]));
    expect(replies.map(([, , , , body]) => body)).toEqual(numbers.map((response) => ({ response })));
    expect(await recordOf(queue, 'k7')).toMatchObject({ ended: '1', count: '1' });
  });

  it('come to every caller that waits for one of them, and one that was taken away comes to nobody', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const { begun, answer } = await startHolding(queue);
    const answers = numbers.map((number) => told(client.send('ask', keyed(number, `k${String(number)}`))));
    await until(() => begun.length === COUNT);
    const second = told(startClient({ queue }).send('ask', keyed('ignored', 'k3')));
    await until(async () => (await waitersOf(queue, 'k3')) === 2);
    const { origin = '' } = await recordOf(queue, 'k5');
    await redis.xdel(`${queue}(event_stream)`, origin);
    await redis.xack(`${queue}(event_stream)`, 'elkmq', origin);
    answer();
    const said = (value: number) => [{ kind: 'N', value }, { kind: 'C' }];
    for (const number of numbers.filter((each) => each !== 5))
      expect(await answers[number]).toMatchObject(said(number));
    expect(await second).toMatchObject(said(3));
    expect(await recordOf(queue, 'k5')).not.toHaveProperty('ended');
    await until(async () => (await redis.xlen(`${queue}(event_stream)`)) === 0);
  });
});
