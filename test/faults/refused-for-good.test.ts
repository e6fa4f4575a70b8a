import { ElkMqRecordBuilder, EnqueueError } from 'nestjs-elkmq';
import { concat, lastValueFrom, NEVER, of, type Observable } from 'rxjs';
import { finalize } from 'rxjs/operators';
import { describe, expect, it } from 'vitest';
import { entriesOf, payloadsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { watched } from '../support/failing.js';
import { events, moduleOf, requests, startApp, startClient, told } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, rejection, until } from '../support/queue.js';

/** A Redis that accepts no argument of more than a megabyte. It says so, and closes the connection. */
async function narrowRedis() {
  const server = await ownRedis('--proto-max-bulk-len', '1mb');
  return { url: server.url, queue: newQueueName(), look: clientOf(server) };
}

const TOO_LARGE = 'x'.repeat(2_000_000);
/** As an event it has 800,000 bytes of JSON. The JSON of something that holds this JSON has twice as many. */
const BARELY = '"'.repeat(200_000);
const refused = (what: string) => ({
  code: 'ENQUEUE_FAILED',
  message: expect.stringMatching(new RegExp(`^Redis refused ${what}: .*(bulk length|characters)`)) as string,
});

describe('an answer that is larger than what Redis accepts', () => {
  it('is an error of its caller at once; what is answered beside it arrives, and nothing keeps running', async () => {
    const { url, queue } = await narrowRedis();
    const handlers = { large: () => TOO_LARGE, echo: (data: unknown) => data };
    await startApp(moduleOf(requests(handlers)), { queue, url });
    const client = startClient({ queue, url });
    const numbers = [1, 2, 3, 4, 5];
    const [failure, ...answers] = await Promise.all([
      rejection(lastValueFrom(client.send('large', {}))),
      ...numbers.map((n) => lastValueFrom(client.send('echo', n))),
    ]);
    expect(failure).toBeInstanceOf(EnqueueError);
    expect(failure).toMatchObject(refused("the answer to 'large'"));
    expect(answers).toEqual(numbers);
    expect(await client.state()).toMatchObject({ waiting: 0, running: 0 });
  });

  it('is one also after other values, and the handler is asked for no more', async () => {
    const { url, queue } = await narrowRedis();
    let isOver = false;
    const values = (): Observable<unknown> =>
      concat(of('small'), of(TOO_LARGE), NEVER).pipe(finalize(() => (isOver = true)));
    await startApp(moduleOf(requests({ values })), { queue, url });
    const client = startClient({ queue, url });
    expect(await told(client.send('values', {}))).toMatchObject([
      { kind: 'N', value: 'small' },
      { kind: 'E', error: refused("the answer to 'values'") },
    ]);
    await until(() => isOver);
    expect(await client.state()).toMatchObject({ waiting: 0, running: 0 });
  });

  it('is one of all who wait for it, where requests are deduplicated', async () => {
    const { url, queue } = await narrowRedis();
    await startApp(moduleOf(requests({ large: () => TOO_LARGE })), { queue, url });
    const client = startClient({ queue, url });
    const ask = () =>
      rejection(
        lastValueFrom(client.send('large', new ElkMqRecordBuilder(1).setDeduplicationKey('k').build())),
      );
    for (const failure of await Promise.all([ask(), ask()]))
      expect(failure).toMatchObject(refused("the answer to 'large'"));
    expect(await client.state()).toMatchObject({ waiting: 0, running: 0 });
  });

  it('is an error of an original client too', async () => {
    const { url, queue, look } = await narrowRedis();
    await startApp(moduleOf(requests({ large: () => TOO_LARGE })), { queue, url });
    await look.xadd(
      `${queue}(event_stream)`,
      '*',
      'event',
      '{"request_uuid":7,"timeout":60,"action":"large","payload":null}',
    );
    await until(async () => (await entriesOf(`${queue}(response_stream)`, look)).length === 1);
    const [body] = await entriesOf(`${queue}(event_stream)`, look);
    const { payload } = JSON.parse(body?.fields[1] ?? '') as { payload: string };
    expect(JSON.parse(payload)).toMatchObject({
      err: { message: expect.stringMatching(/^Redis refused the answer/) as string },
    });
  });
});

describe('an event whose copy is larger than what Redis accepts', () => {
  const failing = {
    note: () => {
      throw new Error('no');
    },
  };

  it.each([
    ['that fails', {}, 'no'],
    ['that is to be tried again', { retry: { attempts: 3 } }, 'Redis refused another attempt'],
    ['whose error is large', {}, TOO_LARGE.slice(0, 1_000)],
  ])('is a dead letter with its payload: %s', async (what, options, message) => {
    const { url, queue } = await narrowRedis();
    const handlers = what.includes('error')
      ? {
          note: () => {
            throw new Error(TOO_LARGE);
          },
        }
      : failing;
    await startApp(watched(events(handlers)), { queue, url, ...options });
    const client = startClient({ queue, url });
    await lastValueFrom(client.emit('note', BARELY));
    const { deadLetters } = newQueue(queue, url);
    await until(async () => (await deadLetters.count()) === 1);
    const { letters } = await deadLetters.list();
    expect(letters).toMatchObject([{ reason: 'failed', event: { payload: JSON.stringify(BARELY) } }]);
    expect(letters[0]?.error?.message.startsWith(message)).toBe(true);
    await until(async () => (await client.state()).running === 0);
  });
});

it('an event that is larger than what Redis accepts fails, and those that are emitted beside it are stored', async () => {
  const { url, queue, look } = await narrowRedis();
  const client = startClient({ queue, url });
  await client.connect();
  const emit = (data: unknown) => lastValueFrom(client.emit('note', data));
  const [, failure] = await Promise.all([emit(1), rejection(emit(TOO_LARGE)), emit(2)]);
  expect(failure).toBeInstanceOf(EnqueueError);
  expect(failure).toMatchObject(refused('to store the event'));
  expect(await payloadsOf(queue, look)).toHaveLength(2);
  expect(await payloadsOf(queue, look)).toEqual(expect.arrayContaining(['1', '2']));
});
