import { Redis } from 'ioredis';
import { EventQueue, OlderWorkerError, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { GROUP } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { LaneCalls } from '../support/lane-model/calls.js';
import type { Held, Message } from '../support/lane-model/state.js';
import { entriesOf, eventsOf } from '../support/entries.js';
import { healthOf } from '../support/health.js';
import { startClient, valuesOf } from '../support/nest.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';
import { sendSteps, type Step } from '../support/steps.js';
import { startWorker } from '../support/workers.js';

/** A worker of a version without ordering keys: it calls the scripts without a word of keys, as that version did. */
class OlderWorker {
  readonly #calls: LaneCalls;

  constructor(private readonly queue: string) {
    this.#calls = new LaneCalls(queue);
  }

  /** Joins the group and the registry, in the form of that version. */
  async join(): Promise<void> {
    await redis.xgroup('CREATE', `${this.queue}(event_stream)`, GROUP, '0', 'MKSTREAM');
    const [seconds] = await redis.time();
    const described = {
      seen: Number(seconds) * 1_000,
      ttl: 60_000,
      host: 'old-host',
      pid: 7,
      version: '0.0.1',
    };
    await redis.hset(`${this.queue}(workers)`, 'older', JSON.stringify(described));
  }

  /** @returns the messages that wait in the stream, by ordering key */
  async take(): Promise<Map<string, Held>> {
    const stream = `${this.queue}(event_stream)`;
    await redis.xreadgroup('GROUP', GROUP, 'older.1.60000', 'STREAMS', stream, '>');
    const taken = new Map<string, Held>();
    for (const { id, fields } of await entriesOf(stream)) {
      const key = fields[fields.indexOf('ordering_key') + 1] ?? '';
      const message = { origin: id, key: '' } as Message;
      taken.set(key, { id, fields, attempt: 1, message, read: [] });
    }
    return taken;
  }

  async settle(held: Held): Promise<void> {
    expect(await this.#calls.settle([held], false)).toEqual([]);
  }

  /** Settles a request with its answer, which it does not push. */
  async answer(held: Held, answer: unknown): Promise<void> {
    const field = (name: string) => held.fields[held.fields.indexOf(name) + 1] ?? '';
    const uuid = /"request_uuid":(\d+)/.exec(field('event'))?.[1] ?? '';
    const keys = {
      eventStream: `${this.queue}(event_stream)`,
      inboxes: [`${this.queue}(inbox):${field('reply_to')}`],
    };
    const replies = JSON.stringify([[uuid, 1, 0, 1, { response: answer }]]);
    const inboxSettlements = [{ inbox: 1, replies, ids: [held.id] }];
    const args = { group: GROUP, first: '', stop: '', inboxSettlements, pushes: '' };
    expect(await runScript(redis, scripts.settle(keys, args))).toEqual([]);
  }

  async bury(held: Held): Promise<void> {
    expect(await this.#calls.bury(held, 'older.1.60000')).toBe(true);
  }

  async retryLater(held: Held): Promise<void> {
    expect(await this.#calls.delay(held, 10)).toBe(true);
  }
}

describe('while a queue is upgraded', () => {
  it('a client of this version gets the answers of workers of an earlier version, and of those of this version', async () => {
    const queue = newQueueName();
    const older = new OlderWorker(queue);
    await older.join();
    const client = startClient({ queue });
    for (let n = 0; n < 20; n++) {
      const answer = valuesOf(client.send('echo', n));
      let taken = new Map<string, Held>();
      await until(async () => (taken = await older.take()).size > 0);
      for (const held of taken.values()) await older.answer(held, n);
      expect(await answer).toEqual([n]);
    }
    await startWorker({ queue }, { echo: (data) => Promise.resolve(data) });
    for (let n = 0; n < 20; n++) expect(await valuesOf(client.send('echo', n))).toEqual([n]);
  });

  it('a client of an earlier version, which reads its inbox, gets the answers of workers of this version', async () => {
    const queue = newQueueName();
    await startWorker({ queue }, { echo: (data) => Promise.resolve(data) });
    const [eventStream, producer, inbox] = ['(event_stream)', '(producer):older', '(inbox):older'].map(
      (key) => queue + key,
    ) as [string, string, string];
    onTestFinished(async () => {
      await redis.del(producer, inbox);
    });
    const reading = new Redis(redis.options);
    onTestFinished(() => {
      reading.disconnect();
    });
    let last = '0-0';
    for (let n = 1; n <= 20; n++) {
      const message = `{"request_uuid":${String(n)},"timeout":60,"action":"echo","payload":"${String(n)}"}`;
      const batch = { client: 'older', batch: String(n), answerField: String(n % 8), answerTtlMs: '60000' };
      const args = { ...batch, inboxNeeded: 60_000, messages: [message] };
      await runScript(redis, scripts.enqueue({ eventStream, producer, inbox }, args));
      const [[, [[id, fields]]]] = (await reading.xread('BLOCK', 0, 'STREAMS', inbox, last)) as [
        [string, [[string, string[]]]],
      ];
      expect(fields).toEqual(['replies', `[["${String(n)}",1,0,1,{"response":${String(n)}}]]`]);
      last = id;
    }
  });
});

it('what a worker of an earlier version has ended or put off does not stop its ordering key for ever', async () => {
  const queue = newQueueName();
  const older = new OlderWorker(queue);
  await older.join();
  const client = startClient({ queue });
  await sendSteps(client, ['settled', 'buried', 'retried']);
  const taken = await older.take();
  expect([...taken.keys()].sort()).toEqual(['buried', 'retried', 'settled']);
  await older.settle(taken.get('settled') as Held);
  await older.bury(taken.get('buried') as Held);
  await older.retryLater(taken.get('retried') as Held);

  const seen: Step[] = [];
  await startWorker({ queue }, { 'step event': (payload) => Promise.resolve(seen.push(payload as Step)) });
  await until(() => seen.length === 7);
  const numbersOf = (key: string) => seen.filter((step) => step.key === key).map(({ number }) => number);
  expect(numbersOf('settled')).toEqual([2, 3]);
  expect(numbersOf('buried')).toEqual([2, 3]);
  expect(numbersOf('retried').sort()).toEqual([1, 2, 3]);
  await until(async () => (await redis.exists(`${queue}(lanes)`, `${queue}(lane_bodies)`)) === 0);
});

it('a worker of an earlier version is an error of the client that sends keys, and degrades the health', async () => {
  const queue = newQueueName();
  await new OlderWorker(queue).join();
  const client = startClient({ queue });
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  expect(await client.state()).not.toHaveProperty('olderWorkers');
  expect(await healthOf(client)).not.toHaveProperty('degraded');
  await sendSteps(client, ['k']);
  await until(() => errors.length > 0);
  expect(errors).toEqual([expect.any(OlderWorkerError)]);
  expect(errors[0]).toHaveProperty('code', 'OLDER_WORKER');
  expect(errors[0]?.message).toContain('old-host, pid 7');
  expect(await client.state()).toMatchObject({ workers: 1, olderWorkers: 1 });
  expect(await healthOf(client)).toMatchObject({
    status: 'up',
    degraded: 'workers of an earlier version that know no ordering keys: 1',
  });
});

it('a worker of an earlier version is an error of the client of a queue with partitions', async () => {
  const queue = newQueueName();
  await new OlderWorker(queue).join();
  const client = startClient({ queue, partitions: 4, partitionsForTests: true });
  const errors: Error[] = [];
  client.on('error', (error) => errors.push(error));
  // Events without a key take turns, so one of four is for the partition of that worker.
  for (let n = 0; n < 4; n++) await valuesOf(client.emit('note', n));
  await until(() => errors.length > 0);
  expect(errors).toEqual([expect.any(OlderWorkerError)]);
  expect(errors[0]?.message).toBe(
    `the worker on old-host, pid 7, version 0.0.1, knows no partitions: it takes messages of partition 0 only. Upgrade all workers of the queue '${queue}' before it gets partitions`,
  );
});

describe('a worker of an earlier version compares the number of the attempt with maxDeliveries', () => {
  /** Leaves a message with these fields, whose worker has gone. */
  async function abandon(queue: string, fields: string[]): Promise<void> {
    const stream = `${queue}(event_stream)`;
    const json = '{"request_uuid":7,"timeout":600,"action":"job event","payload":"1"}';
    await redis.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM');
    await redis.xadd(stream, '*', 'event', json, 'reply_to', '', ...fields);
    await redis.xreadgroup('GROUP', GROUP, 'gone.1.100', 'STREAMS', stream, '>');
  }

  it.each([
    [
      'what it has put back has no count of abandoned attempts: this version begins with none',
      { before: ['origin', '1-1', 'attempt', '6'], attempt: '7', abandoned: '1' },
    ],
    [
      'it keeps the count that this version has written',
      {
        before: ['abandoned_attempts', '1', 'origin', '1-1', 'attempt', '6'],
        attempt: '7',
        abandoned: '2',
      },
    ],
    [
      'it keeps the count of a dead letter that it revives: no message has more than attempts before',
      { before: ['abandoned_attempts', '5'], attempt: '2', abandoned: '1' },
    ],
  ])('%s', async (_, { before, attempt, abandoned }) => {
    const queue = newQueueName();
    await abandon(queue, before);
    const seen: number[] = [];
    const counts: unknown[] = [];
    const options = { queue, lease: 100, delivery: 'at-least-once', maxDeliveries: 3 } as const;
    await startWorker(options, {
      'job event': async (_payload, context) => {
        const [entry] = await eventsOf(queue);
        counts.push(entry?.fields[entry.fields.indexOf('abandoned_attempts') + 1]);
        seen.push(context.getAttempt());
      },
    });
    await until(() => seen.length === 1);
    expect(seen).toEqual([Number(attempt)]);
    expect(counts).toEqual([abandoned]);
  });
});

describe('an EventQueue that sends keys reports a worker of an earlier version', () => {
  const event = () => new ServiceEvent(60, 'step', '1');

  it('to onError', async () => {
    const queue = newQueueName();
    await new OlderWorker(queue).join();
    const errors: Error[] = [];
    const events = closing(new EventQueue(queue, url, { onError: (error) => errors.push(error) }));
    await events.enqueue(event());
    await events.enqueue(event(), { orderingKey: 'k' });
    await until(() => errors.length > 0);
    expect(errors).toEqual([expect.any(OlderWorkerError)]);
    expect(errors[0]?.message).toContain('old-host, pid 7');
  });

  it('as a warning of the process, when there is no onError', async () => {
    const queue = newQueueName();
    await new OlderWorker(queue).join();
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    const events = closing(new EventQueue(queue, url));
    await events.enqueue(event(), { orderingKey: 'k' });
    await until(() => warnings.some((warning) => warning instanceof OlderWorkerError));
    process.off('warning', note);
  });

  it('and an onError that is no function is refused', () => {
    const onError = 'log' as unknown as () => void;
    expect(() => new EventQueue(newQueueName(), url, { onError })).toThrow(
      'onError must be a function, got "log"',
    );
  });
});
