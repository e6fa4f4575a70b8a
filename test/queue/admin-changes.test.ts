import { ElkMqRecordBuilder, QueueAdmin, ServiceEvent, type QueueChange } from 'nestjs-elkmq';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { partitionNames } from '../../libs/elkmq/src/model/partitions.js';
import { deadLetter, writeLetters } from '../support/dead-letters.js';
import { enqueueAsTheOriginal, eventsOf, payloadsOf } from '../support/entries.js';
import { told, startClient } from '../support/nest.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { unhandledRejections } from '../support/unhandled-rejections.js';
import { startWorker } from '../support/workers.js';

const HOUR = 3_600_000;

function auditedAdmin(queue: string): { admin: QueueAdmin; changes: QueueChange[] } {
  const changes: QueueChange[] = [];
  const audit = (change: QueueChange): number => changes.push(change);
  return { admin: closing(new QueueAdmin(queue, url, { audit })), changes };
}

async function take(queue: string, count: number): Promise<void> {
  const stream = `${queue}(event_stream)`;
  await redis.xgroup('CREATE', stream, 'elkmq', '0').catch(() => undefined);
  await redis.xreadgroup('GROUP', 'elkmq', 'c', 'COUNT', count, 'STREAMS', stream, '>');
}

async function emitDelayed(queue: string, ...payloads: unknown[]): Promise<void> {
  const client = startClient({ queue });
  for (const payload of payloads)
    await told(client.emit('later.event', new ElkMqRecordBuilder(payload).setDelay(HOUR).build()));
}

describe('an admin', () => {
  it.each([
    [{ headers: { a: 1 } }, 'header "a" must be a string, got 1'],
    [{ headers: 'a' }, 'headers must be an object of strings, got "a"'],
    [{ dela: 1 }, 'enqueue has no option "dela"; it has delay, headers'],
  ])('refuses to enqueue with %j, and says why', async (options, message) => {
    const { admin } = auditedAdmin(newQueueName());
    const error = await rejection(admin.enqueue(new ServiceEvent(60, 'a'), options as never));
    expect(error).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(message) as string,
    });
  });

  it.each([undefined, {}, { timeout: 60, action: 'a', payload: null }])(
    'refuses to enqueue %j, which is no event',
    async (event) => {
      const queue = newQueueName();
      const admin = closing(new QueueAdmin(queue, url));
      expect(await rejection(admin.enqueue(event as unknown as ServiceEvent))).toMatchObject({
        code: 'INVALID_EVENT',
        message: expect.stringContaining('event must be a ServiceEvent, got ') as string,
      });
      expect(await keysOf(queue)).toEqual({});
    },
  );

  it.each([
    [
      'throws',
      (): never => {
        throw new Error('the audit is away');
      },
    ],
    ['rejects', (): unknown => Promise.reject(new Error('the audit is away'))],
  ])('makes a change whose audit %s, and warns', async (_how, audit) => {
    const rejections = unhandledRejections();
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    onTestFinished(() => {
      warn.mockRestore();
    });
    const queue = newQueueName();
    const admin = closing(new QueueAdmin(queue, url, { audit }));
    const origin = await admin.enqueue(new ServiceEvent(60, 'a'));
    expect(await admin.remove(origin)).toBe(1);
    expect(await admin.pause('ada')).toMatchObject({ by: 'ada' });
    await until(() => warn.mock.calls.length === 3);
    expect(warn.mock.calls.map(([warning]) => warning)).toEqual(
      Array(3).fill('QueueAdmin: the audit has failed: the audit is away'),
    );
    expect(rejections).toEqual([]);
  });

  it('enqueues an event, with headers and a delay, and leaves nothing of its own', async () => {
    const queue = newQueueName();
    const { admin, changes } = auditedAdmin(queue);
    const origin = await admin.enqueue(new ServiceEvent(60, 'a', '1'), { headers: { tenant: 'x' } });
    const later = await admin.enqueue(new ServiceEvent(60, 'a', '2'), { delay: HOUR });
    expect(await admin.message(origin)).toMatchObject({
      payload: 1,
      headers: { tenant: 'x' },
      isRequest: false,
    });
    expect(await admin.message(later)).toMatchObject({ state: 'delayed', payload: 2 });
    expect(changes).toEqual([
      { queue, action: 'enqueue', target: [origin], count: 1 },
      { queue, action: 'enqueue', target: [later], count: 1 },
    ]);
    await admin.close();
    expect(Object.keys(await keysOf(queue))).not.toContainEqual(expect.stringContaining('producer'));
  });

  it('removes waiting, delayed and dead messages, and not one that is running', async () => {
    const queue = newQueueName();
    const { admin, changes } = auditedAdmin(queue);
    const running = await admin.enqueue(new ServiceEvent(60, 'a', '1'));
    await take(queue, 1);
    const waiting = await admin.enqueue(new ServiceEvent(60, 'a', '2'));
    const stays = await admin.enqueue(new ServiceEvent(60, 'a', '3'));
    await emitDelayed(queue, 4);
    const delayed = (await admin.messages('delayed')).messages[0]?.origin as string;
    const letter = deadLetter(5);
    await writeLetters(queue, [letter]);
    const ids = [running, waiting, delayed, letter.origin, '1-1'];
    expect(await admin.remove(ids)).toBe(3);
    expect(await admin.remove(ids)).toBe(0);
    expect(changes.slice(-2)).toEqual([
      { queue, action: 'remove', target: ids, count: 3 },
      { queue, action: 'remove', target: ids, count: 0 },
    ]);
    expect((await eventsOf(queue)).map(({ id }) => id)).toEqual([running, stays]);
    expect(await keysOf(queue)).not.toHaveProperty('(delayed)');
    expect(await keysOf(queue)).not.toHaveProperty('(dead_letters)');
  });

  it('removes an event of an original client together with its id in the list', async () => {
    const queue = newQueueName();
    const { admin } = auditedAdmin(queue);
    const event = '{"request_uuid":1,"timeout":60,"action":"a","payload":null}';
    const ids = [await enqueueAsTheOriginal(queue, event), await enqueueAsTheOriginal(queue, event)];
    expect(await admin.remove(ids[0] as string)).toBe(1);
    expect(await redis.lrange(`${queue}(message_queue)`, 0, -1)).toEqual([ids[1]]);
    expect(await admin.purge('waiting')).toBe(1);
    expect(await redis.exists(`${queue}(message_queue)`)).toBe(0);
  });

  it('runs delayed messages now: a worker handles them', async () => {
    const queue = newQueueName();
    const { admin, changes } = auditedAdmin(queue);
    await emitDelayed(queue, 'now', 'later');
    const handled: unknown[] = [];
    const handler = (data: unknown) => Promise.resolve(handled.push(data));
    await startWorker({ queue }, { 'later.event': handler });
    const { messages } = await admin.messages('delayed');
    const now = messages.find(({ payload }) => payload === 'now')?.origin as string;
    expect(await admin.runNow([now, '1-1'])).toBe(1);
    await until(() => handled.length === 1);
    expect(handled).toEqual(['now']);
    expect((await admin.messages('delayed')).messages).toMatchObject([{ payload: 'later' }]);
    expect(await admin.runNow(now)).toBe(0);
    expect(changes[0]).toEqual({ queue, action: 'runNow', target: [now, '1-1'], count: 1 });
  });

  it('retries dead letters: one, several, or those of a filter', async () => {
    const queue = newQueueName();
    const { admin, changes } = auditedAdmin(queue);
    const letters = [1, 2, 3, 4, 5].map((number) => deadLetter(number, number > 3 ? 'expired' : 'failed'));
    await writeLetters(queue, letters);
    const origins = letters.map(({ origin }) => origin);
    expect(await admin.retry(origins[0] as string)).toBe(1);
    expect(await admin.retry([origins[0] as string, origins[1] as string])).toBe(1);
    expect(await admin.retry({ reason: 'expired' })).toBe(2);
    expect(await payloadsOf(queue)).toEqual(['1', '2', '4', '5']);
    expect((await admin.messages('dead')).messages).toMatchObject([{ origin: origins[2] }]);
    expect(changes.map(({ action, count }) => [action, count])).toEqual([
      ['retry', 1],
      ['retry', 1],
      ['retry', 2],
    ]);
  });

  it('purges what waits, in many calls, and nothing else', async () => {
    const queue = newQueueName();
    const { admin, changes } = auditedAdmin(queue);
    await Promise.all(
      Array.from({ length: 350 }, (_, index) => admin.enqueue(new ServiceEvent(60, 'a', String(index)))),
    );
    await take(queue, 5);
    await emitDelayed(queue, 'later');
    // A nudge that a version before has left is no message, and is deleted too.
    await redis.xadd(`${queue}(event_stream)`, '*', 'due', '1');
    await writeLetters(queue, [deadLetter(1)]);
    expect(await admin.purge('waiting')).toBe(345);
    expect(await admin.state()).toMatchObject({ waiting: 0, running: 5, delayed: 1, deadLetters: 1 });
    expect(await admin.purge('waiting')).toBe(0);
    expect(await admin.purge('delayed')).toBe(1);
    expect(await admin.purge('dead')).toBe(1);
    expect(await admin.state()).toMatchObject({ running: 5, delayed: 0, deadLetters: 0 });
    expect(changes.at(-1)).toEqual({ queue, action: 'purge', target: 'dead', count: 1 });
    expect(await rejection(admin.purge('running'))).toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('changes nothing when one of the ids is too high for Redis', async () => {
    const queue = newQueueName();
    const { admin, changes } = auditedAdmin(queue);
    const id = await admin.enqueue(new ServiceEvent(60, 'a', '1'));
    changes.splice(0);
    for (const tooHigh of ['18446744073709551616-0', '1-99999999999999999999']) {
      const refused = {
        code: 'INVALID_OPTION',
        message: `id must be the id of a message, such as 1700000000000-0, got "${tooHigh}"`,
      };
      expect(await rejection(admin.remove([id, tooHigh]))).toMatchObject(refused);
      expect(await rejection(admin.move([id, tooHigh], newQueueName()))).toMatchObject(refused);
      expect(await rejection(admin.message(tooHigh))).toMatchObject({ code: 'INVALID_OPTION' });
    }
    expect(await admin.remove('18446744073709551615-18446744073709551615')).toBe(0);
    expect(await admin.state()).toMatchObject({ waiting: 1 });
    expect(changes.map(({ action }) => action)).toEqual(['remove']);
  });

  it('announces a pause, its end and limits that some partitions do not take', async () => {
    const queue = newQueueName();
    const changes: QueueChange[] = [];
    const audit = (change: QueueChange): number => changes.push(change);
    const admin = closing(new QueueAdmin(queue, url, { partitions: 2, audit }));
    const [, second = ''] = partitionNames(queue, 2);
    await redis.set(`${second}(control)`, 'no hash');
    const errors = [
      await rejection(admin.pause('ada')),
      await rejection(admin.setLimits({ concurrency: 2 })),
      await rejection(admin.resume()),
    ];
    expect(errors).toMatchObject(Array(3).fill({ code: 'DEQUEUE_FAILED' }));
    expect(changes).toEqual(
      ['pause', 'setLimits', 'resume'].map((action, index) => ({
        queue,
        action,
        target: [],
        count: 0,
        error: errors[index],
      })),
    );
    expect(await rejection(admin.setLimits({ concurrency: 0 }))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(changes).toHaveLength(3);
  });

  it('announces a change that ends early, with what was changed until then', async () => {
    const queue = newQueueName();
    const { admin, changes } = auditedAdmin(queue);
    await redis.set(`${queue}(delayed)`, 'no zset');
    const error = await rejection(admin.runNow('1-1'));
    expect(error).toMatchObject({ code: 'DEQUEUE_FAILED' });
    expect(changes).toEqual([{ queue, action: 'runNow', target: ['1-1'], count: 0, error }]);
  });
});
