import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, startClient, unsettled } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import type { TestProcess } from '../support/processes.js';
import { newQueueName, until } from '../support/queue.js';
import { ask, LEASE, startDoomed, startWorker, type Handler } from '../support/workers.js';

interface Task {
  readonly name: string;
  readonly busyMs: number;
}

interface Started {
  readonly name: string;
  readonly attempt: number;
}

/** All names that two workers have started, once they are all that were sent: what a process tells comes late. */
async function allStarted(one: TestProcess, other: Started[], names: string[]): Promise<string[]> {
  const all = other.map(({ name }) => name);
  while (names.some((name) => !all.includes(name))) {
    const { taken } = await one.told<{ taken: string }>('taken');
    if (taken !== 'quick') all.push(taken);
  }
  return all.sort();
}

/** A worker of this process that is quick. */
async function startQuick(queue: string, lease: number, delivery: 'once' | 'at-least-once' = 'once') {
  const started: Started[] = [];
  const handler: Handler = (payload, context) => {
    const { name } = payload as Task;
    started.push({ name, attempt: context.getAttempt() });
    return Promise.resolve(name);
  };
  const worker = await startWorker(
    { queue, lease, delivery },
    { 'keep the processor': handler, 'keep the processor event': handler },
  );
  return { worker, started };
}

describe('while a handler keeps the processor for longer than the lease', () => {
  it('what waited beside its message is answered, and started once', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const tasks = ['first', 'b', 'c', 'd', 'e', 'f'].map((name) => ({
      name,
      busyMs: name === 'first' ? 3 * LEASE : 0,
    }));
    // Its worker may be taken for dead: it was.
    const [first, ...others] = tasks.map((task) => ask(client, 'keep the processor', task));
    const ofFirst = first?.catch((error: unknown) => error);
    await until(async () => (await unsettled(queue)) === tasks.length);
    const busy = await startDoomed({ queue });
    await until(() => busy.tells('taken'));
    const { started } = await startQuick(queue, LEASE);
    expect(await Promise.all(others)).toEqual(['b', 'c', 'd', 'e', 'f']);
    await ofFirst;
    const names = tasks.map(({ name }) => name);
    expect(await allStarted(busy, started, names)).toEqual(names.sort());
  });
});

describe('while handlers keep the processor one after another, for longer than the lease together', () => {
  it.each(['once', 'at-least-once'] as const)(
    'what was not started goes back to the queue, as the attempt that it was: %s',
    async (delivery) => {
      const queue = newQueueName();
      const client = startClient({ queue });
      const lease = 3 * LEASE;
      const busy = await startDoomed({ queue, lease, delivery });
      // It gets to know its handlers as quick ones, and reads several messages at once.
      for (let i = 0; i < 10; i++) await ask(client, 'keep the processor', { name: 'quick', busyMs: 0 });
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
      const answers = names.map((name) => ask(client, 'keep the processor', { name, busyMs: 0.3 * lease }));
      const { started } = await startQuick(queue, lease, delivery);
      expect(await Promise.all(answers)).toEqual(names);
      expect(await allStarted(busy, started, names)).toEqual(names);
      expect(started.filter(({ attempt }) => attempt > 1)).toEqual([]);
      expect(await deadLettersOf(queue)).toEqual([]);
    },
  );
});

it('a worker that was stopped does not start what it was given meanwhile, and others have taken from it', async () => {
  const server = await ownRedis();
  const admin = clientOf(server);
  const [queue, { url }] = [newQueueName(), server];
  const stream = `${queue}(event_stream)`;
  const client = startClient({ queue, url });
  const emit = (name: string) =>
    lastValueFrom(client.emit('keep the processor event', { name, busyMs: 0 }), { defaultValue: undefined });
  const stalled = await startDoomed({ queue, url });
  await emit('before');
  expect(await stalled.told('taken')).toEqual({ taken: 'before' });
  await until(async () => (await admin.xlen(stream)) === 0);
  // It waits for the next one, which Redis will hand to it.
  await until(async () => (await admin.info('clients')).includes('blocked_clients:1'));
  stalled.kill('SIGSTOP');
  await emit('meanwhile');
  await until(async () => (await admin.xpending(stream, 'elkmq'))[0] === 1);
  const other = await startWorker({ queue, url });
  const isDead = async () => (await admin.hlen(`${queue}(dead_letter_bodies)`)) === 1;
  await until(isDead);
  await other.close();
  stalled.kill('SIGCONT');
  await emit('after');
  expect(await stalled.told('taken')).toEqual({ taken: 'after' });
  expect(await isDead()).toBe(true);
});
