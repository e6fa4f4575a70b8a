import { EventQueue, OlderWorkerError, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { GROUP } from '../../libs/elkmq/src/model/keys.js';
import { LaneCalls } from '../support/lane-model/calls.js';
import type { Held, Message } from '../support/lane-model/state.js';
import { entriesOf } from '../support/entries.js';
import { healthOf } from '../support/health.js';
import { startClient } from '../support/nest.js';
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

  async bury(held: Held): Promise<void> {
    expect(await this.#calls.bury(held, 'older.1.60000')).toBe(true);
  }

  async retryLater(held: Held): Promise<void> {
    expect(await this.#calls.delay(held, 10)).toBe(true);
  }
}

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
