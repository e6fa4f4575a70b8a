import { EnqueueError, EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { Cluster } from 'ioredis';
import { lastValueFrom } from 'rxjs';
import { randomUUID } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { messageOf } from '../support/calls.js';
import { payloadsOf } from '../support/entries.js';
import { newQueue } from '../support/event-queue.js';
import { startClient } from '../support/nest.js';
import { clientOf, ownRedis, type PrivateRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, rejection, until, url } from '../support/queue.js';
import { mayRun } from '../support/test-redis.js';

/** The replica has all that was written. WAIT alone would count one that still loads what was there before it came. */
async function caughtUp(master: PrivateRedis, replica: PrivateRedis): Promise<void> {
  const mark = randomUUID();
  await clientOf(master).set('mark', mark);
  const copy = clientOf(replica);
  await until(async () => (await copy.get('mark')) === mark);
}

/** A server with a replica that is up to date. */
async function replicated(): Promise<{ master: PrivateRedis; replica: PrivateRedis }> {
  // Without a pause for more replicas, which would cost the test seconds.
  const master = await ownRedis('--repl-diskless-sync-delay', '0', '--hz', '100');
  const replica = await ownRedis('--replicaof', '127.0.0.1', String(master.port));
  await caughtUp(master, replica);
  return { master, replica };
}

/** Stores an event; on a busy machine it may be stored several times until it is confirmed in time. */
async function storeConfirmed(queue: EventQueue, payload: string): Promise<void> {
  await until(() =>
    queue.enqueue(new ServiceEvent(60, 'a', payload)).then(
      () => true,
      () => false,
    ),
  );
}

async function differentPayloads(queue: EventQueue, server: PrivateRedis): Promise<unknown[]> {
  return [...new Set(await payloadsOf(queue.name, clientOf(server)))];
}

function stop(server: PrivateRedis): () => void {
  const go = (): void => {
    process.kill(server.pid, 'SIGCONT');
  };
  process.kill(server.pid, 'SIGSTOP');
  onTestFinished(go);
  return go;
}

describe.skipIf(!mayRun('wait'))('with minReplicas', () => {
  it('a message counts as stored when so many replicas have it, and else fails', async () => {
    const { master, replica } = await replicated();
    const queue = newQueue(newQueueName(), master.url, { minReplicas: 1 });
    await storeConfirmed(queue, 'first');
    expect(await differentPayloads(queue, replica)).toEqual(['first']);

    const go = stop(replica);
    const calls = ['b', 'c'].map((payload) => rejection(queue.enqueue(new ServiceEvent(60, 'a', payload))));
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(EnqueueError);
      expect((error as Error).message).toBe(
        'the event is stored, but was confirmed by only 0 of 1 replicas within 400 ms',
      );
    }
    const client = startClient({ queue: queue.name, url: master.url, minReplicas: 1 });
    expect(await rejection(lastValueFrom(client.send('ask', 1)))).toMatchObject({ code: 'ENQUEUE_FAILED' });
    expect(await differentPayloads(queue, master)).toEqual(['first', 'b', 'c', '1']);

    go();
    await caughtUp(master, replica);
    await storeConfirmed(queue, 'last');
    expect(await differentPayloads(queue, replica)).toEqual(['first', 'b', 'c', '1', 'last']);
  });

  it('a batch whose answer was lost does not count as confirmed by a replica that lacks it', async () => {
    const { master, replica } = await replicated();
    const proxy = closing(await Proxy.before(master.url));
    const queue = newQueue(newQueueName(), proxy.url, { minReplicas: 1 });
    // Stored; that it is confirmed in time, on a busy machine, is not what this test is about.
    await queue.enqueue(new ServiceEvent(60, 'a', 'first')).catch(() => undefined);
    stop(replica);
    proxy.loseAnswers(/evalsha.*\(producer\)/is);
    const error = await rejection(queue.enqueue(new ServiceEvent(60, 'a', 'second')));
    expect(proxy.lost).toBe(1);
    expect(error).toMatchObject({ code: 'ENQUEUE_FAILED' });
    expect(await payloadsOf(queue.name, clientOf(master))).toEqual(['first', 'second']);
  });

  it('many batches that wait for a replica still fail by that, not for lack of an answer', async () => {
    const { master, replica } = await replicated();
    const queue = closing(
      new EventQueue(newQueueName(), master.url, { minReplicas: 1, enqueueTimeout: 2_000 }),
    );
    await storeConfirmed(queue, 'first');
    const go = stop(replica);
    const errors: Promise<unknown>[] = [];
    for (let i = 0; i < 8; i++) {
      errors.push(rejection(queue.enqueue(new ServiceEvent(60, 'a', String(i)))));
      await immediate();
    }
    for (const error of await Promise.all(errors)) {
      expect(error).toMatchObject({
        message: expect.stringMatching(/0 of 1 replicas within 100 ms$/) as unknown,
      });
    }
    go();
  });

  it.each([-1, 1.5, '1', null])('the option must not be %j', (minReplicas) => {
    const options = { minReplicas: minReplicas as number };
    expect(messageOf('INVALID_OPTION', () => new EventQueue('q', url, options))).toMatch(
      /^minReplicas must be a/,
    );
  });

  it('the option is refused on Redis Cluster', () => {
    const cluster = new Cluster([], { lazyConnect: true });
    const options = { queue: 'q', redis: cluster, minReplicas: 1 };
    const message = 'minReplicas must be 0 on Redis Cluster, got 1';
    expect(messageOf('INVALID_OPTION', () => new EventQueue('q', cluster, { minReplicas: 1 }))).toBe(message);
    expect(messageOf('INVALID_OPTION', () => startClient({ ...options, url: undefined }))).toBe(message);
  });
});
