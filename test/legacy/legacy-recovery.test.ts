import type { ElkMqContext } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { enqueueAsTheOriginal, eventsOf, putBack } from '../support/entries.js';
import { deadLettersOf, events, moduleOf, startApp } from '../support/nest.js';
import { newQueueName, redis, until } from '../support/queue.js';
import { dequeueAsTheOriginal, eventJson, listOf, pendingIn, startTaker } from '../support/original.js';

describe('a Nest worker that died', () => {
  const GONE = 'gone.1.100';
  const options = { lease: 100, delivery: 'at-least-once' } as const;

  /** An event that was handed to the worker. @returns its id */
  async function handedOut(queue: string): Promise<string> {
    const stream = `${queue}(event_stream)`;
    await redis.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
    const id = await enqueueAsTheOriginal(queue, eventJson('note', '1'));
    await redis.xreadgroup('GROUP', 'elkmq', GONE, 'STREAMS', stream, '>');
    return id;
  }

  it('before it had won an event: another one handles it, as a first attempt', async () => {
    const queue = newQueueName();
    await handedOut(queue);
    const attempts: number[] = [];
    const note = (_data: unknown, context: ElkMqContext) => attempts.push(context.getAttempt());
    await startApp(moduleOf(events({ note })), { queue, legacyConsumers: true, ...options });
    await until(() => attempts.length === 1);
    await until(async () => (await eventsOf(queue)).length === 0);
    expect([attempts, await listOf(queue)]).toEqual([[1], []]);
  });

  it('before it had won an event: an original consumer can take it too', async () => {
    const queue = newQueueName();
    const id = await handedOut(queue);
    await putBack(queue, id, 0, '+');
    expect(await listOf(queue)).not.toContain(id);
    expect(await dequeueAsTheOriginal(queue)).toMatchObject({ action: 'note', payload: '1' });
  });

  it.each([
    ['at-least-once', 1],
    ['once', 0],
  ] as const)(
    'with an event that it had won: it was started, and delivery %s decides',
    async (delivery, count) => {
      const queue = newQueueName();
      const id = await handedOut(queue);
      await redis.lrem(`${queue}(message_queue)`, -1, id);
      const claim = [`${queue}(event_stream)`, 'elkmq', GONE, 0, id, 'RETRYCOUNT', 2, 'JUSTID'] as const;
      await redis.call('XCLAIM', ...claim);
      const taken = await startTaker(queue, { ...options, delivery });
      await until(async () => (await eventsOf(queue)).length === 0);
      expect(taken).toHaveLength(count);
      const reasons = (await deadLettersOf(queue)).map(({ reason }) => reason);
      expect(reasons).toEqual(delivery === 'once' ? ['abandoned'] : []);
    },
  );

  it('leaves a mark on what it had won', async () => {
    const queue = newQueueName();
    let end: (() => void) | undefined;
    const note = () => new Promise<void>((resolve) => (end = resolve));
    await startApp(moduleOf(events({ note })), { queue, legacyConsumers: true });
    await enqueueAsTheOriginal(queue, eventJson('note'));
    await until(() => end !== undefined);
    const [[, , , deliveries]] = (await redis.xpending(`${queue}(event_stream)`, 'elkmq', '-', '+', 1)) as [
      unknown[],
    ];
    expect(deliveries).toBe(2);
    end?.();
  });

  it('while an original consumer took the event: nobody else does, and the consumer can read it', async () => {
    const queue = newQueueName();
    const id = await handedOut(queue);
    await redis.rpop(`${queue}(message_queue)`);
    const taken = await startTaker(queue, options);
    await until(async () => (await pendingIn(queue)) === 0);
    expect(taken).toEqual([]);
    expect(await redis.xrange(`${queue}(event_stream)`, id, id)).toHaveLength(1);
  });
});
