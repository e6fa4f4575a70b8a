import { firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ElkMqRecordBuilder, EventQueue, QueueAdmin, ServiceEvent, type ElkMqContext } from 'nestjs-elkmq';
import { eventsOf } from '../support/entries.js';
import { deadLettersOf, events, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';

const keyed = <T>(key: string, data: T): ElkMqRecordBuilder<T> =>
  new ElkMqRecordBuilder(data).setOrderingKey(key);

/** Notes which messages of a key start and end, and whether two run at once. */
class Handled {
  readonly order = new Map<string, number[]>();
  overlaps = 0;
  readonly #running = new Set<string>();

  get count(): number {
    return [...this.order.values()].reduce((sum, { length }) => sum + length, 0);
  }

  async handle(key: string, number: number, work: () => Promise<unknown>): Promise<void> {
    if (this.#running.has(key)) this.overlaps++;
    this.#running.add(key);
    try {
      await work();
      this.order.set(key, [...(this.order.get(key) ?? []), number]);
    } finally {
      this.#running.delete(key);
    }
  }
}

const nextTick = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));
/** A handler that waits until the test lets it go on. */
function gate(): { readonly opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** A handler of requests, which keeps the one named 'first' until the test lets it go on. */
function askedInTurn() {
  const seen: string[] = [];
  const { opened, open } = gate();
  const ask = async (name: string): Promise<string> => {
    seen.push(name);
    if (name === 'first') await opened;
    return name;
  };
  return { seen, open, ask };
}

describe('messages of one ordering key', () => {
  it('are handled one at a time and in the order of their client, by any number of workers, with retries', async () => {
    const queue = newQueueName();
    const handled = new Handled();
    const failed = new Set<string>();
    const handler = ({ key, number }: { key: string; number: number }): Promise<void> =>
      handled.handle(key, number, async () => {
        await nextTick();
        const name = `${key} ${String(number)}`;
        if (number % 5 !== 0 || failed.has(name)) return;
        failed.add(name);
        throw new Error('once more');
      });
    const module = moduleOf(events({ step: handler }, { retry: { attempts: 3, backoff: 1 } }));
    for (let n = 0; n < 3; n++) await startApp(module, { queue, concurrency: 20 });
    const client = startClient({ queue });
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    for (const number of numbers)
      for (let n = 0; n < 10; n++)
        client.emit('step', keyed(`k${String(n)}`, { key: `k${String(n)}`, number }).build());
    await until(() => handled.count === 200);
    for (const order of handled.order.values()) expect(order).toEqual(numbers);
    expect(handled.overlaps).toBe(0);
    expect(failed.size).toBe(40);
    await until(
      async () =>
        !Object.keys(await keysOf(queue)).some((key) => key.startsWith('(lane')) ||
        !(await redis.exists(`${queue}(lanes)`)),
    );
    expect(await redis.exists(`${queue}(lanes)`, `${queue}(lane_bodies)`)).toBe(0);
  });

  it('wait while messages of other keys, and those without one, go on', async () => {
    const queue = newQueueName();
    const { opened, open } = gate();
    const done: string[] = [];
    const handler = async (name: string): Promise<void> => {
      if (name === 'a1') await opened;
      done.push(name);
    };
    await startApp(moduleOf(events({ step: handler })), { queue, concurrency: 10 });
    const client = startClient({ queue });
    client.emit('step', keyed('a', 'a1').build());
    client.emit('step', keyed('a', 'a2').build());
    client.emit('step', keyed('b', 'b1').build());
    client.emit('step', 'plain');
    await until(() => done.length === 2);
    expect(done.sort()).toEqual(['b1', 'plain']);
    open();
    await until(() => done.length === 4);
    expect(done.slice(2)).toEqual(['a1', 'a2']);
  });

  it('may be requests: each gets its own answer, also while its client sends events of the key', async () => {
    const queue = newQueueName();
    const handled = new Handled();
    const ask = async (number: number): Promise<number> => {
      await handled.handle('k', number, nextTick);
      return number * 2;
    };
    await startApp(moduleOf(requests({ ask }), events({ tell: (number: number) => ask(number) })), {
      queue,
      concurrency: 10,
    });
    const client = startClient({ queue });
    const answers: Promise<number>[] = [];
    for (let number = 0; number < 30; number++) {
      const record = keyed('k', number).build();
      if (number % 3 === 2) client.emit('tell', record);
      else answers.push(firstValueFrom(client.send<number>('ask', record)));
    }
    const expected = Array.from({ length: 30 }, (_, number) => number);
    expect(await Promise.all(answers)).toEqual(expected.filter((n) => n % 3 !== 2).map((n) => n * 2));
    await until(() => handled.count === 30);
    expect(handled.order.get('k')).toEqual(expected);
    expect(handled.overlaps).toBe(0);
  });

  it('may have a deduplication key: two callers share one place in the order', async () => {
    const queue = newQueueName();
    const { opened, open } = gate();
    const seen: string[] = [];
    const ask = async (name: string): Promise<string> => {
      seen.push(name);
      if (name === 'first') await opened;
      return name;
    };
    await startApp(moduleOf(requests({ ask })), { queue, concurrency: 10 });
    const client = startClient({ queue });
    const send = (name: string): Promise<string> =>
      firstValueFrom(client.send<string>('ask', keyed('k', name).setDeduplicationKey(name).build()));
    const answers = ['first', 'second', 'second', 'third'].map(send);
    await until(() => seen.length === 1);
    expect(seen).toEqual(['first']);
    open();
    expect(await Promise.all(answers)).toEqual(['first', 'second', 'second', 'third']);
    expect(seen).toEqual(['first', 'second', 'third']);
  });

  it('may have a key with NUL, blanks and line breaks', async () => {
    const queue = newQueueName();
    const keys = ['tenant\u00001', 'tenant\u00002', 'tenant 1', 'tenant\n1', '\u0000', ' '];
    const client = startClient({ queue });
    const sent = keys.flatMap((key) => [1, 2, 3].map((number) => ({ key, number })));
    for (const message of sent) client.emit('step', keyed(message.key, message).build());
    await until(async () => (await redis.hlen(`${queue}(lane_bodies)`)) === 2 * keys.length);
    const admin = closing(new QueueAdmin(queue, url));
    expect((await admin.messages('ordered')).messages).toHaveLength(2 * keys.length);
    const handled = new Map(keys.map((key) => [key, [] as number[]]));
    const step = ({ key, number }: (typeof sent)[number]): void => void handled.get(key)?.push(number);
    await startApp(moduleOf(events({ step })), { queue });
    await until(async () => (await redis.exists(`${queue}(lanes)`, `${queue}(lane_bodies)`)) === 0);
    for (const key of keys) expect(handled.get(key)).toEqual([1, 2, 3]);
  });

  it('get their place when they are due, if they are sent with a delay', async () => {
    const queue = newQueueName();
    const { opened, open } = gate();
    const seen: string[] = [];
    const step = async (name: string): Promise<void> => {
      seen.push(name);
      if (name === 'first') await opened;
    };
    await startApp(moduleOf(events({ step })), { queue, concurrency: 10 });
    const client = startClient({ queue });
    client.emit('step', keyed('k', 'delayed').setDelay(20).build());
    client.emit('step', keyed('k', 'first').build());
    await until(async () => (await redis.hlen(`${queue}(lane_bodies)`)) === 1);
    await until(() => seen.length > 0);
    expect(seen).toEqual(['first']);
    open();
    await until(() => seen.length === 2);
    expect(seen).toEqual(['first', 'delayed']);
  });

  it('go on after a dead letter, and the letter goes to their end when it is retried', async () => {
    const queue = newQueueName();
    const seen: string[] = [];
    const { opened, open } = gate();
    let isBroken = true;
    const step = async (name: string): Promise<void> => {
      seen.push(name);
      if (name === 'bad' && isBroken) throw new Error('broken');
      if (name === 'second') await opened;
    };
    await startApp(moduleOf(events({ step })), { queue, concurrency: 10 });
    const client = startClient({ queue });
    for (const name of ['bad', 'second', 'third']) client.emit('step', keyed('k', name).build());
    await until(() => seen.length === 2);
    isBroken = false;
    const { deadLetters } = closing(new EventQueue(queue, url));
    const [letter] = await deadLettersOf(queue);
    expect(await deadLetters.retry(letter?.origin ?? '')).toBe(1);
    open();
    await until(() => seen.length === 4);
    expect(seen).toEqual(['bad', 'second', 'third', 'bad']);
  });

  it.each([
    ['', <T>(record: ElkMqRecordBuilder<T>) => record],
    [
      ', also with a deduplication key',
      <T>(record: ElkMqRecordBuilder<T>) => record.setDeduplicationKey('d'),
    ],
  ])('are not handled when their caller has gone before it was their turn%s', async (_also, configure) => {
    const queue = newQueueName();
    const { seen, open, ask } = askedInTurn();
    await startApp(moduleOf(requests({ ask })), { queue, concurrency: 10 });
    const client = startClient({ queue });
    const [first, third] = [
      client.send('ask', keyed('k', 'first').build()),
      client.send('ask', keyed('k', 'third').build()),
    ];
    const answer = firstValueFrom(first);
    await until(() => seen.length === 1);
    const second = client.send('ask', configure(keyed('k', 'second')).build()).subscribe();
    await until(async () => (await redis.hlen(`${queue}(lane_bodies)`)) === 1);
    second.unsubscribe();
    await until(async () => (await redis.zcard(`${queue}(cancelled)`)) === 1);
    expect(Object.keys(await keysOf(queue)).filter((key) => key.includes('deduplication'))).toEqual([]);
    const last = firstValueFrom(third);
    await until(async () => (await redis.hlen(`${queue}(lane_bodies)`)) === 2);
    open();
    expect(await Promise.all([answer, last])).toEqual(['first', 'third']);
    expect(seen).toEqual(['first', 'third']);
  });

  it('are not handled after their caller was told that its time is over', async () => {
    const queue = newQueueName();
    const { seen, open, ask } = askedInTurn();
    await startApp(moduleOf(requests({ ask })), { queue, concurrency: 10 });
    const client = startClient({ queue });
    const first = firstValueFrom(client.send('ask', keyed('k', 'first').build()));
    await until(() => seen.length === 1);
    // The wire has whole seconds, so the request itself expires 400 ms later.
    const other = startClient({ queue });
    const second = firstValueFrom(other.send('ask', keyed('k', 'second').setTimeout(1_600).build()));
    expect(await rejection(second)).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
    // Closing waits until the request was cancelled.
    await other.close();
    open();
    await first;
    await until(async () => (await redis.exists(`${queue}(lanes)`)) === 0);
    expect(seen).toEqual(['first']);
  });

  it('have a token that rises with each start, with retries too', async () => {
    const queue = newQueueName();
    const tokens: string[] = [];
    const step = (name: string, context: ElkMqContext): void => {
      expect(context.getOrderingKey()).toBe(name === 'plain' ? undefined : 'k');
      const token = context.getOrderingToken();
      if (token === undefined) return;
      tokens.push(token);
      if (context.getAttempt() < 3) context.retry(0);
    };
    await startApp(moduleOf(events({ step })), { queue, concurrency: 10 });
    const client = startClient({ queue });
    client.emit('step', 'plain');
    for (const name of ['a', 'b']) client.emit('step', keyed('k', name).build());
    await until(() => tokens.length === 6);
    const places = tokens.map((token) => token.split('-').map(Number));
    const sorted = [...places].sort(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d);
    expect(places).toEqual(sorted);
    expect(new Set(tokens).size).toBe(6);
  });

  it('count in the state of the queue, in its limit, and are listed by the admin', async () => {
    const queue = newQueueName();
    const events = closing(new EventQueue(queue, url, { maxQueueLength: 5 }));
    const event = (): ServiceEvent => new ServiceEvent(60, 'step', '1');
    for (let n = 0; n < 3; n++) await events.enqueue(event(), { orderingKey: 'busy' });
    await events.enqueue(event(), { orderingKey: 'free' });
    await events.enqueue(event());
    expect(await rejection(events.enqueue(event()))).toMatchObject({ code: 'QUEUE_FULL' });
    expect(await events.state()).toMatchObject({ waiting: 5, behindKeys: 2, blockedKeys: 1 });
    const admin = closing(new QueueAdmin(queue, url));
    const blocked = [];
    for await (const each of admin.blockedKeys()) blocked.push(each);
    const [{ id } = { id: '' }] = await eventsOf(queue);
    expect(blocked).toEqual([
      { key: 'busy', waiting: 2, head: id, state: 'waiting', attempt: 1, since: Number.parseInt(id) },
    ]);
    for (let n = 0; n < 5; n++) await events.dequeue();
    expect(await events.state()).toMatchObject({ waiting: 0, behindKeys: 0, blockedKeys: 0 });
  });

  it('are taken in order by an EventQueue', async () => {
    const queue = newQueueName();
    const events = closing(new EventQueue(queue, url));
    for (let n = 0; n < 5; n++)
      await events.enqueue(new ServiceEvent(60, 'step', String(n)), { orderingKey: 'k' });
    const payloads = [];
    for (let n = 0; n < 5; n++) payloads.push((await events.dequeue())[1].payload);
    expect(payloads).toEqual(['0', '1', '2', '3', '4']);
  });

  it('make way when an operator removes or purges the first of them', async () => {
    const queue = newQueueName();
    const events = closing(new EventQueue(queue, url));
    for (let n = 0; n < 3; n++)
      await events.enqueue(new ServiceEvent(60, 'step', String(n)), { orderingKey: 'k' });
    const admin = closing(new QueueAdmin(queue, url));
    const [{ id } = { id: '' }] = await eventsOf(queue);
    expect(await admin.remove(id)).toBe(1);
    expect(await admin.purge('waiting')).toBe(1);
    expect((await events.dequeue())[1].payload).toBe('2');
  });
});

it.each([
  ['', 'got ""'],
  ['x'.repeat(257), 'of 257 bytes'],
  ['ä'.repeat(129), 'of 258 bytes'],
  ['\ud800', 'got "\\ud800"'],
  [7, 'got 7'],
])('an ordering key that is none is refused: %j', async (key, got) => {
  const accepted = 'orderingKey must be a string of 1 to 256 bytes of well-formed Unicode';
  const events = closing(new EventQueue(newQueueName(), url));
  const orderingKey = key as string;
  const error = await rejection(events.enqueue(new ServiceEvent(1, 'a'), { orderingKey }));
  expect(error).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining(accepted) as string,
  });
  expect(String(error)).toContain(got);
  expect(() => new ElkMqRecordBuilder(1).setOrderingKey(orderingKey)).toThrow(accepted);
});

it('an empty ordering key of a raw client is a dead letter, and harms no other key', async () => {
  const queue = newQueueName();
  const client = startClient({ queue });
  for (const number of [1, 2, 3]) client.emit('step', keyed('k', number).build());
  await until(async () => (await redis.hlen(`${queue}(lane_bodies)`)) === 2);
  const event = '{"request_uuid":7,"timeout":60,"action":"step","payload":"4"}';
  const fields = ['event', event, 'reply_to', '', 'ordering_key', '', 'origin', '1-1'];
  await redis
    .multi()
    .zadd(`${queue}(delayed)`, 1, '1-1')
    .hset(`${queue}(delayed_bodies)`, '1-1', JSON.stringify(fields))
    .exec();
  const handled: number[] = [];
  await startApp(moduleOf(events({ step: (number: number) => void handled.push(number) })), { queue });
  await until(async () => (await deadLettersOf(queue)).length === 1);
  await until(() => handled.length === 3);
  expect(handled).toEqual([1, 2, 3]);
  expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'malformed', origin: '1-1' }]);
});

it('an option of enqueue that there is not is refused, because a misspelt key would keep no order', async () => {
  const events = closing(new EventQueue(newQueueName(), url));
  const options = { orderingkey: 'k' } as object;
  expect(await rejection(events.enqueue(new ServiceEvent(1, 'a'), options))).toMatchObject({
    code: 'INVALID_OPTION',
    message: 'enqueue has no option "orderingkey"; it has orderingKey',
  });
});
