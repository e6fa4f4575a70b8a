import { ElkMqRecordBuilder, ElkMqServer, QueueAdmin, type ElkMqServerOptions } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { healthOf } from '../support/health.js';
import { events, listening, logs, moduleOf, startApp, startClient, told } from '../support/nest.js';
import { messageOf } from '../support/calls.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { isAboutServer } from '../support/test-redis.js';
import { startWorker } from '../support/workers.js';

/** Two queues, and what the handlers of both have seen. */
function twoQueues() {
  const [before, queue] = [newQueueName(), newQueueName()];
  const seen: unknown[] = [];
  const note = (value: unknown) => Promise.resolve(seen.push(value));
  return { before, queue, seen, note };
}

function adminOf(queue: string): QueueAdmin {
  return closing(new QueueAdmin(queue, url));
}

function linesOf(queue: string): string[] {
  return logs.filter(
    (line) => line.includes(`Queue '${queue}'`) && /wait/.test(line) && !isAboutServer(line),
  );
}

const keyed = (data: unknown) => new ElkMqRecordBuilder(data).setOrderingKey('k').build();

describe('a queue that comes after another one', () => {
  it('waits for what waits, runs and is delayed there, and the state, the health and the log say so', async () => {
    const { before, queue, seen, note } = twoQueues();
    const [first, second] = [startClient({ queue: before }), startClient({ queue })];
    let finish = (): void => undefined;
    const running = new Promise<void>((resolve) => (finish = resolve));
    const late = new ElkMqRecordBuilder('late').setDelay(3_600_000).build();
    await told(first.emit('note', late));
    await told(first.emit('hold', 'running'));
    await told(second.emit('note', 'new'));
    const server = await startWorker({ queue, after: before }, { note });
    const isWaiting = async () => (await server.state()).waitsFor === before;
    await until(isWaiting);
    const admin = adminOf(queue);
    expect(await admin.workers()).toMatchObject([{ waitsFor: before, paused: false }]);
    expect(await healthOf(server, { maxWaiting: 0 })).toMatchObject({
      status: 'up',
      degraded: `the queue waits for ${before}; 1 messages wait for a worker, more than 0`,
    });
    expect(linesOf(queue)).toEqual([
      `warn [ElkMqServer] Queue '${queue}' waits for '${before}' (1 waiting, 0 running, 1 delayed, 0 workers): this worker takes no messages until nothing is left there`,
    ]);

    const hold = () => running;
    await startWorker({ queue: before }, { note, hold });
    const old = adminOf(before);
    await until(async () => (await old.state()).running === 1);
    const delayed = await old.messages('delayed');
    await old.runNow(delayed.messages.map(({ id }) => id));
    await until(() => seen.includes('late'));
    // Two rounds of the look have found that one still runs.
    const looked = (await admin.workers())[0]?.seen ?? 0;
    await until(async () => ((await admin.workers())[0]?.seen ?? 0) > looked + 2_000);
    expect(await isWaiting()).toBe(true);
    expect(seen).toEqual(['late']);
    finish();
    await until(() => seen.length === 2);
    expect(seen).toEqual(['late', 'new']);
    await until(async () => (await server.state()).waitsFor === undefined);
    expect(linesOf(queue)[1]).toBe(
      `log [ElkMqServer] Queue '${queue}' has waited for its predecessor: this worker takes messages now`,
    );
  });

  it('does not wait for a queue that never existed', async () => {
    const { before, queue, seen, note } = twoQueues();
    await startWorker({ queue, after: before }, { note });
    await told(startClient({ queue }).emit('note', 1));
    await until(() => seen.length === 1);
    expect(linesOf(queue)).toEqual([]);
  });

  it('does not wait for dead letters, but for messages whose ordering key one of them holds', async () => {
    const { before, queue, seen, note } = twoQueues();
    const fail = () => {
      throw new Error('no');
    };
    await startApp(moduleOf(events({ fail }, { order: 'block' }), events({ note })), { queue: before });
    const first = startClient({ queue: before });
    await told(first.emit('fail', keyed('bad')));
    await told(first.emit('note', keyed('behind')));
    const old = adminOf(before);
    await until(async () => (await old.state()).deadLetters === 1);
    const { messages: held } = await old.messages('dead');
    const server = await startWorker({ queue, after: before }, { note });
    await told(startClient({ queue }).emit('note', 'new'));
    expect(await server.state()).toMatchObject({ waitsFor: before, waiting: 1 });
    await told(first.emit('fail', 'without a key'));
    await until(async () => (await old.state()).deadLetters === 2);
    await old.remove(held.map(({ id }) => id));
    await until(() => seen.length === 2);
    expect(seen).toEqual(['behind', 'new']);
    expect(await old.state()).toMatchObject({ deadLetters: 1 });
  });

  it('never waits again once it has begun, also when a late message lies in the other one', async () => {
    const { before, queue, seen, note } = twoQueues();
    const server = await startWorker({ queue, after: before }, { note });
    await server.close();
    await told(startClient({ queue: before }).emit('note', 'late'));
    await startWorker({ queue, after: before }, { note });
    await told(startClient({ queue }).emit('note', 'new'));
    await until(() => seen.length === 1);
    // Another predecessor is waited for.
    const other = newQueueName();
    await told(startClient({ queue: other }).emit('note', 'other'));
    const waiting = await startWorker({ queue, after: other }, { note });
    expect((await adminOf(queue).workers()).map(({ waitsFor }) => waitsFor)).toEqual([undefined, other]);
    // One of its workers takes messages, so the queue does not wait.
    expect(await waiting.state()).not.toHaveProperty('waitsFor');
  });

  it('stays paused when it has waited while somebody paused it', async () => {
    const { before, queue, seen, note } = twoQueues();
    const first = startClient({ queue: before });
    await told(first.emit('note', 'old'));
    const server = await startWorker({ queue, after: before }, { note });
    await told(startClient({ queue }).emit('note', 'new'));
    const admin = adminOf(queue);
    await admin.pause();
    await until(async () => (await admin.workers())[0]?.paused === true);
    await startWorker({ queue: before }, { note });
    await until(async () => (await server.state()).waitsFor === undefined);
    expect(await server.state()).toMatchObject({ waiting: 1, running: 0 });
    expect(seen).toEqual(['old']);
    await admin.resume();
    await until(() => seen.length === 2);
  });

  it('fails to start where Redis does not let it look at the other one', async () => {
    const server = await ownRedis();
    const { queue, note } = twoQueues();
    const admin = clientOf(server);
    await admin.call('ACL', 'SETUSER', 'few', 'on', '>few', `~${queue}*`, '+@all');
    const few = `redis://few:few@127.0.0.1:${String(server.port)}`;
    const starting = startWorker({ url: few, queue, after: 'orders' }, { note });
    expect(await rejection(starting)).toMatchObject({ code: 'DEQUEUE_FAILED' });
  });

  it('has keys as before, and a worker that knows nothing of it takes messages at once', async () => {
    const { before, queue, seen, note } = twoQueues();
    await told(startClient({ queue: before }).emit('note', 'old'));
    const server = await startWorker({ queue, after: before }, { note });
    await until(async () => (await server.state()).waitsFor === before);
    await told(startClient({ queue }).emit('note', 'new'));
    // A worker of the last version reads no such option.
    await startWorker({ queue }, { note });
    await until(() => seen.length === 1);
    expect(await server.state()).not.toHaveProperty('waitsFor');
    expect(await redis.exists(`${queue}(control)`)).toBe(0);
  });
});

it.each([
  [{ after: 'orders' }, 'after must be the name of another queue than "orders", got "orders"'],
  [{ after: '' }, 'after must be the name of another queue than "orders", got ""'],
  [{ after: 7 }, 'after must be the name of another queue than "orders", got 7'],
  [{ after: '\ud83d' }, 'after must be the name of another queue than "orders", got "\\ud83d"'],
  [{ after: 'old', legacyConsumers: true }, 'after must not be given with legacyConsumers, got "old"'],
  [
    { after: 'old', queue: undefined, topic: 'orders', subscription: 'billing' },
    'after must not be given with a topic, got "old"',
  ],
])('an option `after` that is not accepted: %j', (options, expected) => {
  const make = () => new ElkMqServer({ queue: 'orders', url, ...options } as ElkMqServerOptions);
  expect(messageOf('INVALID_OPTION', make)).toBe(expected);
});

it('the name of a partition is no predecessor', async () => {
  const { queue, note } = twoQueues();
  const before = newQueueName();
  const options = { queue: before, partitions: 2, partitionsForTests: true };
  await startWorker(options, { note });
  const [name = ''] = (await redis.keys(`${before}#1.*(partitions)`)).map((key) => key.split('(')[0]);
  const server = new ElkMqServer({ url, queue, after: name });
  expect(await rejection(listening(server))).toMatchObject({
    code: 'INVALID_OPTION',
    message: `"${name}" is partition 1 of the queue "${before}": give the name of the queue`,
  });
});
