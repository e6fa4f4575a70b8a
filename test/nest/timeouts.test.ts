import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { concat, lastValueFrom, NEVER, Observable, of, Subject, take } from 'rxjs';
import type { ReadPacket, WritePacket } from '@nestjs/microservices';
import { ConnectionError, ElkMqClient, ElkMqRecordBuilder, TimeoutExpiredError } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { moduleOf, requests, startApp, startClient, told, unsettled, valuesOf } from '../support/nest.js';
import { closing, keysOf, newQueueName, redis, rejection, until, url } from '../support/queue.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

describe('a request without an answer', () => {
  it.each([
    ['of its client', 120, {}],
    ['of its record', undefined, new ElkMqRecordBuilder({}).setTimeout(120).build()],
  ])('fails after the timeout %s, and is taken back', async (_whose, ofClient, data) => {
    const queue = newQueueName();
    const client = startClient({ queue, ...(ofClient && { timeout: ofClient }) });
    await client.connect();
    const start = performance.now();
    const error = await rejection(lastValueFrom(client.send('echo', data)));
    expect(performance.now() - start).toBeGreaterThan(115);
    expect(error).toBeInstanceOf(TimeoutExpiredError);
    expect(error).toMatchObject({
      code: 'TIMEOUT_EXPIRED',
      message: "no response to 'echo' within 120 ms",
    });
    await until(async () => (await unsettled(queue)) === 0);
    await client.close();
    expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream' });
  });

  it('is not started when its time was over before a worker took it, and nothing is kept of it', async () => {
    const queue = newQueueName();
    const started: unknown[] = [];
    const json = '{"request_uuid":7,"timeout":60,"action":"ask","payload":"1"}';
    const id = `${Date.now() - 61_000}-1`;
    await redis.xadd(`${queue}(event_stream)`, id, 'event', json, 'reply_to', 'a-client');
    await startApp(moduleOf(requests({ ask: (data) => started.push(data) })), { queue });
    await until(async () => (await unsettled(queue)) === 0);
    expect(started).toEqual([]);
    expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream', '(workers)': 'hash' });
  });

  it('fails when its client is closed', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const answer = rejection(lastValueFrom(client.send('echo', {})));
    await until(async () => (await unsettled(queue)) === 1);
    await client.close();
    expect(await answer).toBeInstanceOf(ConnectionError);
    expect(await unsettled(queue)).toBe(0);
  });

  it('fails at its timeout although values have come', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ prices: () => concat(of(1), NEVER) })), { queue });
    const client = startClient({ queue, timeout: 1_000 });
    // A busy machine may need several tries until a value comes in time.
    await until(async () => {
      const seen = await told(client.send<number>('prices', {}));
      expect(seen.at(-1)).toMatchObject({ kind: 'E', error: { code: 'TIMEOUT_EXPIRED' } });
      return seen.length === 2;
    });
  });

  it('ends what its handler goes on with when its time is over, so that it does not keep others waiting', async () => {
    const queue = newQueueName();
    const [endless, silent] = [new Subject<number>(), new Subject<number>()];
    const handlers = { endless: () => concat(of(1, 2), endless), silent: () => silent, echo: () => 'echo' };
    await startApp(moduleOf(requests(handlers)), { queue, concurrency: 2 });
    const client = startClient({ queue, timeout: 3_000 });
    await client.connect();
    expect(await valuesOf(client.send('endless', {}).pipe(take(2)))).toEqual([1, 2]);
    expect(await rejection(valuesOf(client.send('silent', {})))).toBeInstanceOf(TimeoutExpiredError);

    await until(() => !endless.observed && !silent.observed);
    expect(await valuesOf(client.send('echo', {}))).toEqual(['echo']);
    await until(async () => (await unsettled(queue)) === 0);
  });

  it('ends what its handler goes on with at the deadline, also when it has waited before', async () => {
    const queue = newQueueName();
    let started = 0;
    const endless = () =>
      new Observable(() => {
        started++;
      });
    await startApp(moduleOf(requests({ endless })), { queue });
    const json = '{"request_uuid":7,"timeout":600,"action":"endless","payload":"1"}';
    // A busy machine may need several tries until it is started before its deadline, which is in a second.
    await until(async () => {
      const [seconds] = await redis.time();
      const id = `${String(Number(seconds) - 598)}000-1`;
      await redis.xadd(`${queue}(event_stream)`, id, 'event', json, 'reply_to', 'a-client');
      await until(async () => (await unsettled(queue)) === 0);
      return started > 0;
    });
  });

  it('is not answered when its time is over, so that a late caller does not see a success without a value', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ silent: () => NEVER })), { queue });
    const inbox = `${queue}(inbox):caller`;
    await redis.xadd(inbox, '*', 'created', '');
    const json = '{"request_uuid":1,"timeout":1,"action":"silent","payload":null}';
    await redis.xadd(`${queue}(event_stream)`, '*', 'event', json, 'reply_to', 'caller');
    await until(async () => (await redis.xlen(`${queue}(event_stream)`)) === 0);
    expect(await redis.xlen(inbox)).toBe(1);
  });

  it('leaves nothing in memory', async () => {
    const queue = newQueueName();
    let started = 0;
    const never = () => {
      started++;
      return NEVER;
    };
    await startApp(moduleOf(requests({ never })), { queue, drainTimeout: 1 });
    const client = startClient({ queue, timeout: 1_000 });

    // In functions of their own, so that no variable of this one keeps what the callbacks hold.
    const ask = (pattern: string) => {
      const held = {};
      const error = () => held;
      client.send(pattern, {}).subscribe({ error, complete: error });
      return new WeakRef(held);
    };
    await client.connect();
    let asked: WeakRef<object>[] = [];
    // A busy machine may need several tries until both are seen before their time is over.
    await until(async () => {
      started = 0;
      asked = ['never', 'never'].map(ask);
      const isHeld = () => {
        gc();
        return asked.every((held) => held.deref());
      };
      await until(() => started === 2 || !isHeld());
      return started === 2 && isHeld();
    });
    await until(() => {
      gc();
      return asked.every((held) => held.deref() === undefined);
    });
  });
});

it('a request that has ended leaves nothing in memory, also where what takes it back is kept', async () => {
  const queue = newQueueName();
  await startApp(moduleOf(requests({ ask: () => 1 })), { queue });
  const kept: unknown[] = [];
  const callbacks: WeakRef<object>[] = [];
  class KeepingClient extends ElkMqClient {
    protected override publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
      callbacks.push(new WeakRef(callback));
      const takeBack = super.publish(packet, callback);
      kept.push(takeBack);
      return takeBack;
    }
  }
  const client = closing(new KeepingClient({ queue, url }));
  expect(await valuesOf(client.send('ask', {}))).toEqual([1]);
  expect(kept).toHaveLength(1);
  await until(() => {
    gc();
    return callbacks[0]?.deref() === undefined;
  });
});
