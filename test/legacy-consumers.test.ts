import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom, of } from 'rxjs';
import {
  ElkMqRecordBuilder,
  EventQueue,
  ServiceEvent,
  type ElkMqClientOptions,
  type ElkMqContext,
  type ElkMqServerOptions,
} from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { runScript } from '../libs/elkmq/src/core/redis/scripts.js';
import { hyphenated } from '../libs/elkmq/src/core/wire/request-ids.js';
import { enqueueAsTheOriginal, entriesOf, eventsOf } from './support/entries.js';
import { clientOf, ownRedis } from './support/own-redis.js';
import { deadLettersOf, events, moduleOf, requests, startApp, startClient } from './support/nest.js';
import { closing, newQueueName, redis, rejection, until, url } from './support/queue.js';

/* Original clients are imitated here, command by command. Beside the real ones: test/interop. */

let uuids = 1_000;

/** An event as the original has it. */
function json(action: string, payload: string | null = null, timeout = 60): string {
  return `{"request_uuid":${String(uuids++)},"timeout":${String(timeout)},"action":"${action}","payload":${JSON.stringify(payload)}}`;
}

interface OriginalEvent {
  readonly request_uuid: number;
  readonly timeout: number;
  readonly action: string;
  readonly payload: string | null;
}

/** Takes an event as the original does. @returns its text as well, which has the whole uuid */
async function dequeueAsTheOriginal(queue: string): Promise<(OriginalEvent & { text: string }) | undefined> {
  const id = await redis.rpop(`${queue}(message_queue)`);
  if (id === null) return undefined;
  const [entry] = await redis.xrange(`${queue}(event_stream)`, id, id);
  if (!entry) throw new Error('unexpected empty value in stream');
  const text = entry[1][entry[1].indexOf('event') + 1] ?? '';
  return { ...(JSON.parse(text) as OriginalEvent), text };
}

async function respondAsTheOriginal(queue: string, text: string, payload: string): Promise<void> {
  const [, uuid = ''] = /^\{"request_uuid":(\d+)/.exec(text) ?? [];
  const response = `{"request_uuid":${uuid},"timeout":2,"action":"answer","payload":${JSON.stringify(payload)}}`;
  const body = String(await redis.xadd(`${queue}(event_stream)`, '*', 'response', response));
  await redis.xadd(`${queue}(response_stream)`, '*', hyphenated(uuid), body);
}

const list = (queue: string) => redis.lrange(`${queue}(message_queue)`, 0, -1);
const pending = async (queue: string) =>
  ((await redis.xpending(`${queue}(event_stream)`, 'elkmq')) as [number])[0];

function newClient(queue: string, options: Partial<ElkMqClientOptions> = {}) {
  return startClient({ queue, legacyConsumers: true, ...options });
}

/** A Nest worker that notes the data of every `note`. */
async function startTaker(queue: string, options: Partial<ElkMqServerOptions> = {}): Promise<unknown[]> {
  const taken: unknown[] = [];
  const handlers = moduleOf(events({ note: (data) => taken.push(data) }));
  await startApp(handlers, { queue, legacyConsumers: true, ...options });
  return taken;
}

const emitted = (client: ReturnType<typeof startClient>, data: unknown) =>
  lastValueFrom(client.emit('note', data), { defaultValue: undefined });

/** The queue's keys and how much is in them, when nothing is to be left. */
async function expectNothingLeft(queue: string): Promise<void> {
  await until(async () => {
    const streams = await Promise.all(
      ['event_stream', 'response_stream'].map((name) => redis.xlen(`${queue}(${name})`)),
    );
    const others = ['message_queue', 'leftovers', 'history'].map((name) => `${queue}(${name})`);
    return Math.max(...streams) === 0 && (await redis.exists(others)) === 0;
  }, 12_000);
}

describe('an original consumer', () => {
  it('takes what a Nest client emits, as its own format', async () => {
    const queue = newQueueName();
    await emitted(newClient(queue), { id: 'é "1"' });
    const taken = await dequeueAsTheOriginal(queue);
    expect(taken).toMatchObject({ action: 'note', payload: '{"id":"é \\"1\\""}' });
    expect(taken?.timeout).toBeGreaterThan(0);
    expect(await dequeueAsTheOriginal(queue)).toBeUndefined();
  });

  it('takes and answers what an EventQueue and a Nest client ask', async () => {
    const queue = newQueueName();
    const asker = closing(new EventQueue(queue, url, { legacyConsumers: true }));
    const answers = [
      asker.awaitResponse(new ServiceEvent(10, 'one')).then(({ payload }) => payload),
      lastValueFrom(newClient(queue).send('two', [2])),
    ];
    for (let count = 0; count < 2;) {
      const taken = await dequeueAsTheOriginal(queue);
      if (!taken) continue;
      await respondAsTheOriginal(queue, taken.text, `{"to":"${taken.action}"}`);
      count++;
    }
    expect(await Promise.all(answers)).toEqual(['{"to":"one"}', { to: 'two' }]);
  });

  it('never finds an id without its entry: a request that nobody waits for leaves list and stream', async () => {
    const queue = newQueueName();
    const request = newClient(queue).send('ask', {}).subscribe();
    await until(async () => (await list(queue)).length === 1);
    request.unsubscribe();
    await until(async () => (await list(queue)).length === 0);
    expect(await eventsOf(queue)).toEqual([]);
  });

  it('keeps a request that it has taken when its requester gives up', async () => {
    const queue = newQueueName();
    const client = newClient(queue, { timeout: 100 });
    const failure = rejection(lastValueFrom(client.send('ask', {})));
    await until(async () => (await list(queue)).length === 1);
    const id = String(await redis.rpop(`${queue}(message_queue)`));
    expect(await failure).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
    await client.close();
    expect(await redis.xrange(`${queue}(event_stream)`, id, id)).toHaveLength(1);
  });
});

describe('with legacyConsumers on both sides', () => {
  it('each event of Nest and of original producers is taken once, by a Nest worker or an original consumer', async () => {
    const queue = newQueueName();
    const client = newClient(queue);
    const taken = await startTaker(queue);
    const others: unknown[] = [];
    const over = new AbortController();
    const consumer = (async () => {
      while (!over.signal.aborted) {
        const event = await dequeueAsTheOriginal(queue);
        if (event) others.push(JSON.parse(event.payload ?? ''));
      }
    })();
    const ids = Array.from({ length: 400 }, (_, id) => id);
    await Promise.all(
      ids.map((id) => (id % 2 ? emitted(client, id) : enqueueAsTheOriginal(queue, json('note', String(id))))),
    );
    await until(() => taken.length + others.length >= ids.length);
    over.abort();
    await consumer;
    expect([...taken, ...others].map(Number).sort((a, b) => a - b)).toEqual(ids);
    expect(taken.length).toBeGreaterThan(0);
    expect(await list(queue)).toEqual([]);
    await until(async () => (await pending(queue)) === 0);
  });

  it('an event whose original producer is slow to push its id is handled once it has', async () => {
    const queue = newQueueName();
    const taken = await startTaker(queue);
    const id = String(await redis.xadd(`${queue}(event_stream)`, '*', 'event', json('note', '1')));
    // It has been looked for, and passed over.
    await until(async () => (await redis.zscore(`${queue}(leftovers)`, id)) !== null);
    expect([taken, await pending(queue)]).toEqual([[], 0]);
    await redis.lpush(`${queue}(message_queue)`, id);
    await until(() => taken.length === 1);
    await until(async () => (await pending(queue)) === 0);
    expect([taken, await list(queue)]).toEqual([[1], []]);
  });

  it('a worker that starts events in another order than they came keeps all of them', async () => {
    const queue = newQueueName();
    const stream = `${queue}(event_stream)`;
    const lease = 300;
    const signals: AbortSignal[] = [];
    let end: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const note = (_data: unknown, { signal }: ElkMqContext) => (signals.push(signal), ended);
    await startApp(moduleOf(events({ note })), { queue, legacyConsumers: true, lease });
    // Nobody competes for the second one, so it is started first.
    const now = Date.now();
    const both = redis.multi().xadd(stream, `${now}-1`, 'event', json('note', '1'));
    both.lpush(`${queue}(message_queue)`, `${now}-1`);
    both.xadd(
      stream,
      `${now}-2`,
      'event',
      json('note', '2'),
      'reply_to',
      '',
      'origin',
      '1-1',
      'attempt',
      '2',
    );
    await both.exec();
    await until(() => signals.length === 2);
    await sleep(2 * lease);
    const idle = async () =>
      ((await redis.xpending(stream, 'elkmq', '-', '+', 9)) as [string, string, number][]).map(
        ([, , ms]) => ms,
      );
    await until(async () => Math.max(...(await idle())) < lease);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    end?.();
  });

  it('what an original consumer has popped stays until its time has passed, and is gone then', async () => {
    const queue = newQueueName();
    await startTaker(queue);
    const id = String(await redis.xadd(`${queue}(event_stream)`, '*', 'event', json('note', '1', 2)));
    await until(async () => (await redis.zscore(`${queue}(leftovers)`, id)) !== null);
    const clock = async () => Number((await redis.time())[0]) * 1_000;
    while ((await clock()) < Number.parseInt(id, 10) + 1_000)
      expect(await redis.xrange(`${queue}(event_stream)`, id, id)).toHaveLength(1);
    await expectNothingLeft(queue);
    expect(await clock()).toBeGreaterThanOrEqual(Number.parseInt(id, 10) + 2_000);
  }, 20_000);

  it('an event that fails is tried again by Nest workers, and ends among the dead letters', async () => {
    const queue = newQueueName();
    let attempts = 0;
    const failing = () => {
      attempts++;
      throw new Error('no');
    };
    const retry = { attempts: 2, backoff: { type: 'fixed' as const, delay: 10 } };
    await startApp(moduleOf(events({ note: failing })), { queue, legacyConsumers: true, retry });
    await emitted(newClient(queue), 1);
    await enqueueAsTheOriginal(queue, json('note', '2'));
    await until(async () => (await deadLettersOf(queue)).length === 2);
    expect(attempts).toBe(4);
    expect([await list(queue), await eventsOf(queue)]).toEqual([[], []]);
  });

  it('a delayed event and a deduplicated request are for Nest workers alone', async () => {
    const queue = newQueueName();
    const handlers = moduleOf(requests({ ask: (data: unknown) => of(data) }));
    const client = newClient(queue);
    const record = new ElkMqRecordBuilder(7).setDeduplicationKey('k', 1_000).build();
    const answer = lastValueFrom(client.send('ask', record));
    await until(async () => (await eventsOf(queue)).length === 1);
    expect(await dequeueAsTheOriginal(queue)).toBeUndefined();
    await startApp(handlers, { queue, legacyConsumers: true });
    expect(await answer).toBe(7);
  });

  it('an EventQueue takes only what is still in the list', async () => {
    const queue = newQueueName();
    const taker = closing(new EventQueue(queue, url, { legacyConsumers: true }));
    await taker.enqueue(new ServiceEvent(60, 'one'));
    await taker.enqueue(new ServiceEvent(60, 'two'));
    await enqueueAsTheOriginal(queue, json('three'));
    expect((await dequeueAsTheOriginal(queue))?.action).toBe('one');
    expect((await taker.dequeue())[1].action).toBe('two');
    expect((await taker.dequeueBlocking(5))[1].action).toBe('three');
    expect(await rejection(taker.dequeue())).toMatchObject({ code: 'QUEUE_EMPTY' });
    expect(await list(queue)).toEqual([]);
  });
});

describe('a queue that the original used before', () => {
  it('hands out what is in the list, and nothing that was consumed; in the end nothing is left', async () => {
    const queue = newQueueName();
    for (let id = 0; id < 6; id++) await enqueueAsTheOriginal(queue, json('note', String(id), 2));
    for (let id = 0; id < 3; id++) await dequeueAsTheOriginal(queue);
    // One was consumed out of turn, and one is ours.
    const third = (await list(queue)).at(-2) ?? '';
    await redis.lrem(`${queue}(message_queue)`, 0, third);
    const client = startClient({ queue, eventTimeout: 3_000 });
    await emitted(client, 'ours');
    const taken = await startTaker(queue, { legacyConsumers: false });
    await enqueueAsTheOriginal(queue, json('note', '"new"'));
    await until(() => taken.length === 4);
    await expectNothingLeft(queue);
    expect(taken.map(String).sort()).toEqual(['3', '5', 'new', 'ours']);
  }, 20_000);

  it('hands out an event of ours that is older than all that is in the list', async () => {
    const queue = newQueueName();
    await enqueueAsTheOriginal(queue, json('note', '1'));
    await dequeueAsTheOriginal(queue);
    await emitted(startClient({ queue }), 'ours');
    await new Promise((resolve) => setTimeout(resolve, 2));
    await enqueueAsTheOriginal(queue, json('note', '2'));
    const taken = await startTaker(queue, { legacyConsumers: false });
    await until(() => taken.length === 2);
    expect(taken.map(String).sort()).toEqual(['2', 'ours']);
  });
});

describe('after original clients', () => {
  it('an id that comes when its event was handled already leaves the list', async () => {
    const queue = newQueueName();
    const taken = await startTaker(queue, { legacyConsumers: false });
    const id = String(await redis.xadd(`${queue}(event_stream)`, '*', 'event', json('note', '1')));
    await until(async () => taken.length === 1 && (await eventsOf(queue)).length === 0);
    await redis.lpush(`${queue}(message_queue)`, id);
    await until(async () => (await list(queue)).length === 0);
  });

  it('responses are deleted when their time has passed, not before, with or without a Nest worker', async () => {
    const queue = newQueueName();
    const client = newClient(queue);
    const answer = lastValueFrom(client.send('ask', {}));
    await until(async () => (await list(queue)).length === 1);
    const taken = await dequeueAsTheOriginal(queue);
    await respondAsTheOriginal(queue, taken?.text ?? '', '1');
    // Another's, which nobody reads.
    await respondAsTheOriginal(queue, json('x'), '2');
    expect(await answer).toBe(1);
    expect(await entriesOf(`${queue}(response_stream)`)).toHaveLength(2);
    await until(async () => (await redis.xlen(`${queue}(response_stream)`)) === 0, 12_000);
    expect(await eventsOf(queue)).toHaveLength(1); // The request, which has 30 s.
  }, 20_000);

  it('maxQueueLength does not count what original consumers have taken', async () => {
    const queue = newQueueName();
    const client = newClient(queue, { maxQueueLength: 2 });
    for (let round = 0; round < 3; round++) {
      await emitted(client, 1);
      await emitted(client, 2);
      expect(await rejection(emitted(client, 3))).toMatchObject({ code: 'QUEUE_FULL' });
      await dequeueAsTheOriginal(queue);
      await dequeueAsTheOriginal(queue);
    }
  });
});

describe('a Nest worker that died', () => {
  const GONE = 'gone.1.100';
  const options = { lease: 100, delivery: 'at-least-once' } as const;

  /** An event that was handed to the worker. @returns its id */
  async function handedOut(queue: string): Promise<string> {
    const stream = `${queue}(event_stream)`;
    await redis.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
    const id = await enqueueAsTheOriginal(queue, json('note', '1'));
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
    expect([attempts, await list(queue)]).toEqual([[1], []]);
  });

  it('before it had won an event: an original consumer can take it too', async () => {
    const queue = newQueueName();
    const id = await handedOut(queue);
    const keys = ['event_stream', 'message_queue', 'leftovers'].map((name) => `${queue}(${name})`);
    await runScript(redis, 'requeue', keys, ['elkmq', 0, '', 0, '+', 1_000, id]);
    expect(await list(queue)).not.toContain(id);
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
    await enqueueAsTheOriginal(queue, json('note'));
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
    await until(async () => (await pending(queue)) === 0);
    expect(taken).toEqual([]);
    expect(await redis.xrange(`${queue}(event_stream)`, id, id)).toHaveLength(1);
  });
});

it('a client that waits for original consumers sends Redis next to nothing', async () => {
  const server = await ownRedis();
  const inspector = clientOf(server);
  const queue = newQueueName();
  const client = startClient({ queue, url: server.url, legacyConsumers: true });
  const request = client.send('ask', {}).subscribe({ error: () => undefined });
  await until(async () => (await inspector.llen(`${queue}(message_queue)`)) === 1);
  const commands = async () => {
    const stats = await inspector.info('commandstats');
    return [...stats.matchAll(/^cmdstat_(?!info)\S+:calls=(\d+)/gm)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    );
  };
  const before = await commands();
  const seconds = 2;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  expect((await commands()) - before).toBeLessThan(seconds * 5);
  request.unsubscribe();
});

it('legacyConsumers must be true or false', () => {
  const options = { queue: newQueueName(), legacyConsumers: 'yes' } as never;
  expect(() => startClient(options)).toThrow('legacyConsumers must be true or false, got "yes"');
});
