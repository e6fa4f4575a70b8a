import { once } from 'node:events';
import { ElkMqRecordBuilder, QueueAdmin, type ElkMqContext, type ElkMqServerOptions } from 'nestjs-elkmq';
import { concat, finalize, NEVER, of, Subject, switchMap, timeout } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { entriesOf, eventsOf } from '../support/entries.js';
import {
  deadLettersOf,
  moduleOf,
  requests,
  startApp,
  startClient,
  unsettled,
  valuesOf,
} from '../support/nest.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';

/** A worker with a handler that runs until its signal fires, and a client. */
async function waiting(options: Partial<ElkMqServerOptions> = {}, extras = {}) {
  const queue = newQueueName();
  const started: number[] = [];
  const reasons: unknown[] = [];
  const wait = async (id: number, { signal }: ElkMqContext): Promise<string> => {
    started.push(id);
    if (!signal.aborted) await once(signal, 'abort');
    reasons.push(signal.reason);
    throw new Error('given up');
  };
  await startApp(moduleOf(requests({ wait, echo: (data: unknown) => data }, extras)), { queue, ...options });
  return { queue, started, reasons, client: startClient({ queue }) };
}

const cancelled = [{ name: 'CancelledError', code: 'CANCELLED' }];

describe('a caller that stops waiting for a request that is being handled', () => {
  it('by unsubscribing: the signal of the handler fires within a second, and its slot is free', async () => {
    const { queue, started, reasons, client } = await waiting({ concurrency: 1 });
    // A busy machine may need several tries to be so quick.
    await until(async () => {
      started.length = reasons.length = 0;
      const subscription = client.send('wait', 1).subscribe();
      await until(() => started.length === 1);
      const echoed = valuesOf(client.send('echo', 2));
      const start = performance.now();
      subscription.unsubscribe();
      await until(() => reasons.length === 1);
      const took = performance.now() - start;
      expect(reasons).toMatchObject(cancelled);
      expect(await echoed).toEqual([2]);
      return took < 1_000;
    });
    await until(async () => (await unsettled(queue)) === 0);
    await client.close();
    expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream', '(workers)': 'hash' });
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('by the timeout of rxjs, or by switching to another', async () => {
    const { started, reasons, client } = await waiting();
    // Connected by then, so that the request is taken long before its time is up.
    await valuesOf(client.send('echo', 0));
    const late = rejection(valuesOf(client.send('wait', 1).pipe(timeout(3_000))));
    const asked = new Subject<number>();
    const answers = valuesOf(asked.pipe(switchMap((id) => client.send(id === 2 ? 'wait' : 'echo', id))));
    asked.next(2);
    await until(() => started.length === 2);
    asked.next(3);
    asked.complete();
    expect(await answers).toEqual([3]);
    expect(await late).toMatchObject({ name: 'TimeoutError' });
    await until(() => reasons.length === 2);
    expect(reasons).toMatchObject([...cancelled, ...cancelled]);
  });

  it('by closing its client', async () => {
    const { started, reasons, client } = await waiting();
    const outcome = rejection(valuesOf(client.send('wait', 1)));
    await until(() => started.length === 1);
    await client.close();
    expect(await outcome).toMatchObject({ code: 'CONNECTION_FAILED' });
    await until(() => reasons.length === 1);
    expect(reasons).toMatchObject(cancelled);
  });

  it('ends the values of an Observable, and frees its slot', async () => {
    const queue = newQueueName();
    const steps: string[] = [];
    const prices = () => concat(of(1), NEVER).pipe(finalize(() => steps.push('unsubscribed')));
    await startApp(moduleOf(requests({ prices, echo: (data: unknown) => data })), { queue, concurrency: 1 });
    const client = startClient({ queue });
    const subscription = client.send('prices', {}).subscribe(() => steps.push('a price'));
    await until(() => steps.length === 1);
    subscription.unsubscribe();
    expect(await valuesOf(client.send('echo', 2))).toEqual([2]);
    expect(steps).toEqual(['a price', 'unsubscribed']);
    await until(async () => (await unsettled(queue)) === 0);
  });

  it('ends a later attempt at it as well, and none comes after that', async () => {
    const queue = newQueueName();
    const attempts: number[] = [];
    const reasons: unknown[] = [];
    const wait = async (_data: unknown, context: ElkMqContext): Promise<void> => {
      attempts.push(context.getAttempt());
      if (attempts.length > 1) {
        await once(context.signal, 'abort');
        reasons.push(context.signal.reason);
      }
      throw new Error('not now');
    };
    const retry = { attempts: 5, backoff: 10 };
    await startApp(moduleOf(requests({ wait, echo: (data: unknown) => data }, { retry })), { queue });
    const client = startClient({ queue });
    const subscription = client.send('wait', {}).subscribe();
    await until(() => attempts.length === 2);
    subscription.unsubscribe();
    await until(() => reasons.length === 1);
    await until(async () => (await unsettled(queue)) === 0);
    expect(await valuesOf(client.send('echo', 1))).toEqual([1]);
    expect(reasons).toMatchObject(cancelled);
    expect(attempts).toEqual([1, 2]);
    expect(await redis.zcard(`${queue}(delayed)`)).toBe(0);
  });

  it('leaves no mark once the worker knows', async () => {
    const { queue, started, reasons, client } = await waiting();
    const subscription = client
      .send('wait', new ElkMqRecordBuilder(1).setTimeout(300_000).build())
      .subscribe();
    await until(() => started.length === 1);
    subscription.unsubscribe();
    await client.close();
    await until(() => reasons.length === 1);
    expect(await keysOf(queue)).not.toHaveProperty('(cancelled)');
  });

  it('leaves no more than 10,000 marks, the last to be of use', async () => {
    const { queue, started, reasons, client } = await waiting();
    const marks = `${queue}(cancelled)`;
    const soon = Date.now() + 20_000;
    await redis.zadd(marks, ...Array.from({ length: 10_050 }, (_, id) => [soon, `${id}-1`]).flat());
    await redis.expire(marks, 20);
    const subscription = client.send('wait', 1).subscribe();
    await until(() => started.length === 1);
    subscription.unsubscribe();
    await until(() => reasons.length === 1);
    expect(await redis.zcard(marks)).toBe(9_999);
  });
});

describe('a request with a delay that no worker has taken, but that is in the queue by now', () => {
  /** Closing the client is an error for each caller. */
  const unheard = { error: () => undefined };

  /**
   * Sends a request with a short delay, and promotes it while its nudge is still in the stream: versions before leave
   * it there. A nudge that is pending stays too, so a consumer takes this one.
   */
  async function promoted(record: ElkMqRecordBuilder<number>) {
    const queue = newQueueName();
    const keys = new QueueKeys(queue, false);
    const client = startClient({ queue });
    const subscription = client.send('wait', record.setDelay(1).build()).subscribe(unheard);
    await until(async () => (await redis.zcard(keys.delayed)) === 1);
    await redis.xgroup('CREATE', keys.eventStream, GROUP, '0');
    await redis.xreadgroup('GROUP', GROUP, 'c', 'COUNT', 1, 'STREAMS', keys.eventStream, '>');
    await until(async () => {
      await runScript(redis, scripts.promote(keys, { group: GROUP, limit: 1, maxBytes: 1_000 }));
      return (await redis.zcard(keys.delayed)) === 0;
    });
    const [nudge] = await entriesOf(keys.eventStream);
    expect(nudge?.fields[0]).toBe('due');
    await redis.xack(keys.eventStream, GROUP, nudge?.id ?? '');
    return { queue, keys, client, subscription, origin: nudge?.id ?? '' };
  }

  it('is marked when its caller stops waiting', async () => {
    const { keys, client, subscription, origin } = await promoted(new ElkMqRecordBuilder(1));
    subscription.unsubscribe();
    await client.close();
    expect(await redis.zrange(keys.cancelled, 0, -1)).toEqual([origin]);
    expect((await entriesOf(keys.eventStream)).map(({ fields }) => fields[0])).toEqual(['event']);
  });

  it('keeps its place at the head of its ordering key', async () => {
    const record = new ElkMqRecordBuilder(1).setOrderingKey('a');
    const { queue, keys, client, subscription } = await promoted(record);
    client.send('wait', new ElkMqRecordBuilder(2).setOrderingKey('a').build()).subscribe(unheard);
    await until(async () => (await redis.hlen(keys.laneBodies)) === 1);
    subscription.unsubscribe();
    await until(async () => (await redis.zcard(keys.cancelled)) === 1);
    expect(await redis.hlen(keys.laneBodies)).toBe(1);
    await client.close();
    expect(await eventsOf(queue)).toHaveLength(1);
  });

  it('keeps the record of its deduplication key', async () => {
    const record = new ElkMqRecordBuilder(1).setDeduplicationKey('key');
    const { keys, client, subscription } = await promoted(record);
    subscription.unsubscribe();
    await client.close();
    expect(await redis.hget(keys.deduplication('request', 'key'), 'waiters')).toBe('');
  });

  it('is not removed by the id of its nudge', async () => {
    const { queue, keys, origin } = await promoted(new ElkMqRecordBuilder(1));
    const admin = closing(new QueueAdmin(queue, url));
    expect(await admin.remove([origin])).toBe(0);
    expect(await redis.xlen(keys.eventStream)).toBe(1);
  });
});
