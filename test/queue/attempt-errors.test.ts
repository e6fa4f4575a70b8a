import { QueueAdmin } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { putBack } from '../support/entries.js';
import { startClient, valuesOf } from '../support/nest.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

/** An error whose message and stack are long, and whose characters take up to six bytes of JSON each. */
class LongError extends Error {
  override readonly name = 'LongError';
  override readonly stack = `LongError: ${'\u0001'.repeat(9_000)}\n${'    at place (/file.js:1:1)\n'.repeat(900)}`;
}

const MESSAGE = '{"request_uuid":7,"timeout":600,"action":"pay.event","payload":null}';

/** A queue with an admin. */
function newAdmin(): { queue: string; admin: QueueAdmin } {
  const queue = newQueueName();
  return { queue, admin: closing(new QueueAdmin(queue, url)) };
}

/** Takes the next entry of a queue for a consumer that never settles it. @returns its id */
async function takeEntry(queue: string): Promise<string> {
  const stream = `${queue}(event_stream)`;
  await redis.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM').catch(() => undefined);
  const read = (await redis.xreadgroup('GROUP', 'elkmq', 'gone', 'COUNT', 1, 'STREAMS', stream, '>')) as [
    [string, [string, string[]][]],
  ];
  return String(read[0][1][0]?.[0]);
}

describe('a message that is tried again', () => {
  it('carries the errors of the attempts before, also when it is a dead letter', async () => {
    const { queue, admin } = newAdmin();
    let calls = 0;
    const pay = (): Promise<never> => Promise.reject(new TypeError(`no price ${String(++calls)}`));
    await startWorker({ queue, retry: { attempts: 3, backoff: 1 } }, { 'pay.event': pay });
    const before = Date.now() - 60_000;
    await valuesOf(startClient({ queue }).emit('pay.event', 1));
    await until(async () => (await admin.state()).deadLetters === 1);
    const [dead] = (await admin.messages('dead')).messages;
    expect(dead?.errors).toMatchObject([
      { attempt: 1, name: 'TypeError', message: 'no price 1' },
      { attempt: 2, name: 'TypeError', message: 'no price 2' },
    ]);
    expect(dead?.errors[0]?.at).toBeGreaterThan(before);
    expect(dead?.errors[0]?.stack).toMatch(/^ +at .*attempt-errors\.test\.ts/);
    expect(dead?.letter?.error?.message).toBe('no price 3');
    expect((await admin.message(String(dead?.origin)))?.errors).toHaveLength(2);
  });

  it('has them while it is delayed', async () => {
    const { queue, admin } = newAdmin();
    const pay = (): Promise<never> => Promise.reject(new Error('no price'));
    await startWorker({ queue, retry: { attempts: 3, backoff: 600_000 } }, { 'pay.event': pay });
    await valuesOf(startClient({ queue }).emit('pay.event', 1));
    await until(async () => (await admin.state()).delayed === 1);
    const [delayed] = (await admin.messages('delayed')).messages;
    expect(delayed).toMatchObject({ attempt: 2, errors: [{ attempt: 1, message: 'no price' }] });
  });

  it('carries the latest five, each of at most 1 KiB', async () => {
    const { queue, admin } = newAdmin();
    let calls = 0;
    const pay = (): Promise<never> => {
      calls++;
      return Promise.reject(
        calls % 2 ? new LongError('\u0001'.repeat(9_000)) : new Error('😀'.repeat(9_000)),
      );
    };
    await startWorker({ queue, retry: { attempts: 8, backoff: 1 } }, { 'pay.event': pay });
    await valuesOf(startClient({ queue }).emit('pay.event', 1));
    await until(async () => (await admin.state()).deadLetters === 1);
    const [dead] = (await admin.messages('dead')).messages;
    expect(dead?.errors.map(({ attempt }) => attempt)).toEqual([3, 4, 5, 6, 7]);
    const kept = dead?.fields[dead.fields.indexOf('errors') + 1] ?? '';
    expect(JSON.parse(kept)).toEqual(dead?.errors);
    for (const error of dead?.errors ?? [])
      expect(Buffer.byteLength(JSON.stringify(error))).toBeLessThanOrEqual(1_024);
    expect(dead?.errors[1]?.message).toMatch(/^(?:😀){39,}/);
  });

  it('begins without them when an operator retries it, or moves it', async () => {
    const { queue, admin } = newAdmin();
    const pay = (): Promise<never> => Promise.reject(new Error('no price'));
    const worker = await startWorker({ queue, retry: { attempts: 2, backoff: 1 } }, { 'pay.event': pay });
    const client = startClient({ queue });
    for (const number of [1, 2]) await valuesOf(client.emit('pay.event', number));
    await until(async () => (await admin.state()).deadLetters === 2);
    await worker.close();
    const [moved, retried] = (await admin.messages('dead')).messages;
    const other = newAdmin();
    expect(await admin.move(String(moved?.origin), other.queue)).toMatchObject({ count: 1 });
    expect((await other.admin.messages('waiting')).messages).toMatchObject([{ attempt: 1, errors: [] }]);
    expect(await admin.retry(String(retried?.origin))).toBe(1);
    expect((await admin.messages('waiting')).messages).toMatchObject([{ attempt: 1, errors: [] }]);
  });

  it.each([
    ['no JSON', '{'],
    ['no list', '{"a":1}'],
    ['a number that cannot be written', '[1e999]'],
    ['a deep list', '['.repeat(2_000)],
    ['more than there is room for', JSON.stringify(['x'.repeat(100_000)])],
  ])('is not lost when something else has written its errors: %s', async (_, errors) => {
    const { queue, admin } = newAdmin();
    const fields = ['event', MESSAGE, 'reply_to', '', 'origin', '1-1', 'attempt', '2', 'errors', errors];
    await redis.xadd(`${queue}(event_stream)`, '*', ...fields);
    expect((await admin.messages('waiting')).messages).toMatchObject([{ errors: [] }]);
    await putBack(queue, await takeEntry(queue), 1, '', { name: 'AbandonedError', message: 'gone' });
    const { messages } = await admin.messages('waiting');
    expect(messages).toMatchObject([
      { attempt: 3, errors: [{ attempt: 2, name: 'AbandonedError', message: 'gone' }] },
    ]);

    const pay = (): Promise<never> => Promise.reject(new Error('no price'));
    await redis.xadd(`${queue}(event_stream)`, '*', ...fields);
    await startWorker({ queue, retry: { attempts: 9, backoff: 600_000 } }, { 'pay.event': pay });
    await until(async () => (await admin.state()).delayed === 1);
    // Both entries are of one message, so the later one has replaced the other.
    await until(async () => (await redis.xlen(`${queue}(event_stream)`)) === 0);
    const [delayed] = (await admin.messages('delayed')).messages;
    expect(delayed?.errors.at(-1)).toMatchObject({ message: 'no price' });
  });

  it('has what its workers met when they went away, the latest five', async () => {
    const { queue, admin } = newAdmin();
    await redis.xadd(`${queue}(event_stream)`, '*', 'event', MESSAGE, 'reply_to', '');
    for (let attempt = 1; attempt <= 7; attempt++)
      await putBack(queue, await takeEntry(queue), 1, '', {
        name: 'AbandonedError',
        message: `gone ${String(attempt)}`,
      });
    const [message] = (await admin.messages('waiting')).messages;
    const kept = message?.fields[message.fields.indexOf('errors') + 1] ?? '';
    expect(JSON.parse(kept)).toEqual(message?.errors);
    expect(message?.errors.map(({ message: text }) => text)).toEqual([
      'gone 3',
      'gone 4',
      'gone 5',
      'gone 6',
      'gone 7',
    ]);
    expect(message?.errors.map(({ attempt }) => attempt)).toEqual([3, 4, 5, 6, 7]);
  });
});
