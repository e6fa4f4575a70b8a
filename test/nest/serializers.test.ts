import { setTimeout as sleep } from 'node:timers/promises';
import { type IncomingResponse, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import { concat, lastValueFrom, map, of, throwError, timer } from 'rxjs';
import { ElkMqRecordBuilder } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { events, logs, moduleOf, requests, startApp, startClient, told, valuesOf } from '../support/nest.js';
import { newQueueName, redis, rejection, until } from '../support/queue.js';

interface Sealed {
  sealed: unknown;
}
const seal = (it: unknown): Sealed => ({ sealed: it });
const unseal = (it: unknown): unknown => (it as Sealed).sealed;

const sealData = (packet: ReadPacket) => ({ ...packet, data: seal(packet.data) });
const unsealData = (packet: ReadPacket) => ({ ...packet, data: unseal(packet.data) });
const sealAnswer = ({ response, err }: WritePacket) =>
  err === undefined ? { response: seal(response) } : { err: seal(err) };
const unsealAnswer = ({ response, err }: WritePacket): IncomingResponse => ({
  id: '', // of no use here, but Nest's type has it
  ...(response !== undefined && { response: unseal(response) }),
  ...(err !== undefined && { err: unseal(err) }),
});

/** Makes a step that takes longer for the first value than for the second: a later value must not overtake. */
function slowly<In, Out>(step: (it: In) => Out): (it: In) => Promise<Out> {
  let wait = 30;
  return async (it) => {
    await sleep((wait = Math.max(0, wait - 10)));
    return step(it);
  };
}
const atOnce = <Step>(step: Step): Step => step;

const failing = () => {
  throw new Error('the seal is broken');
};

describe.each([
  ['at once', atOnce],
  ['asynchronously', slowly as typeof atOnce],
])('serializers and deserializers of both sides that work %s', (_how, does) => {
  const server = () => ({
    serializer: { serialize: does(sealAnswer) },
    deserializer: { deserialize: does(unsealData) },
  });
  const client = () => ({
    serializer: { serialize: does(sealData) },
    deserializer: { deserialize: does(unsealAnswer) },
  });

  it('change what is on the wire, not what handlers and callers see', async () => {
    const queue = newQueueName();
    const caller = startClient({ queue, ...client() });
    const answer = lastValueFrom(caller.send('echo', 'a secret'));
    await until(async () => (await redis.xlen(`${queue}(event_stream)`)) === 1);
    const [[, fields]] = (await redis.xrange(`${queue}(event_stream)`, '-', '+')) as [[string, string[]]];
    expect(fields[1]).toContain(JSON.stringify(JSON.stringify({ sealed: 'a secret' })));

    await startApp(moduleOf(requests({ echo: (data: unknown) => data })), { queue, ...server() });
    expect(await answer).toBe('a secret');
  });

  it('keep the order of values, and the error at the end', async () => {
    const queue = newQueueName();
    const count = () =>
      concat(
        of(1, 2, 3),
        timer(5).pipe(map(() => 4)),
        throwError(() => 'enough'),
      );
    await startApp(moduleOf(requests({ count })), { queue, ...server() });
    expect(await told(startClient({ queue, ...client() }).send('count', {}))).toMatchObject([
      ...[1, 2, 3, 4].map((value) => ({ kind: 'N', value })),
      { kind: 'E', error: { status: 'error', message: 'Internal server error' } },
    ]);
  });

  it('serve events as well', async () => {
    const queue = newQueueName();
    const handled: unknown[] = [];
    const placed = (data: unknown) => handled.push(data);
    await startApp(moduleOf(events({ placed })), { queue, ...server() });
    await lastValueFrom(startClient({ queue, ...client() }).emit('placed', 7));
    await until(() => handled.length > 0);
    expect(handled).toEqual([7]);
  });
});

describe('messages with an ordering key are stored in the order of the calls, and others do not wait for them', () => {
  /** A serializer that works on data of an object until the test ends it, and answers any other data at once. */
  class HeldSerializer {
    readonly #held: {
      packet: ReadPacket;
      resolve: (packet: ReadPacket) => void;
      reject: (error: Error) => void;
    }[] = [];

    serialize(packet: ReadPacket): ReadPacket | Promise<ReadPacket> {
      if (typeof packet.data !== 'object') return packet;
      return new Promise((resolve, reject) => this.#held.push({ packet, resolve, reject }));
    }

    /** Ends the work that was begun as the nth. */
    finish(nth: number, error?: Error): void {
      const work = this.#held[nth];
      if (error) work?.reject(error);
      else work?.resolve(work.packet);
    }
  }

  const keyed = (data: unknown) => new ElkMqRecordBuilder(data).setOrderingKey('k').build();

  it('when a serializer needs longer for the first one', async () => {
    const queue = newQueueName();
    const serializer = new HeldSerializer();
    const client = startClient({ queue, serializer });
    const emitted = [keyed({ n: 1 }), keyed({ n: 2 }), keyed(3), keyed({ n: 4 })].map((data) =>
      lastValueFrom(client.emit('placed', data), { defaultValue: undefined }),
    );
    const failure = rejection(emitted[1] ?? Promise.resolve());
    serializer.finish(2);
    serializer.finish(1, new Error('the seal is broken'));
    await lastValueFrom(client.emit('other', 'has no key'), { defaultValue: undefined });
    const handled: unknown[] = [];
    // Nest keeps the pattern at the function, so each has its own.
    const note = () => (data: unknown) => handled.push(data);
    await startApp(moduleOf(events({ placed: note(), other: note() })), { queue });
    await until(() => handled.length === 1);
    serializer.finish(0);
    expect(await failure).toMatchObject({ message: 'the seal is broken' });
    await until(() => handled.length === 4);
    expect(handled).toEqual(['has no key', { n: 1 }, 3, { n: 4 }]);
  });

  it('also with requests among them', async () => {
    const queue = newQueueName();
    const serializer = new HeldSerializer();
    const client = startClient({ queue, serializer });
    const emitted = lastValueFrom(client.emit('placed', keyed({ n: 1 })), { defaultValue: undefined });
    const answer = lastValueFrom(client.send('ask', keyed({ n: 2 })));
    serializer.finish(1);
    const handled: unknown[] = [];
    // Nest keeps the pattern at the function, so each has its own.
    const note = () => (data: unknown) => handled.push(data);
    await startApp(moduleOf(events({ placed: note() }), requests({ ask: note() })), { queue });
    serializer.finish(0);
    await emitted;
    expect(await answer).toBe(2);
    expect(handled).toEqual([{ n: 1 }, { n: 2 }]);
  });
});

describe.each([
  ['throws', failing],
  ['rejects', () => Promise.reject(new Error('the seal is broken'))],
])('what %s', (_how, fails) => {
  it('as serializer of the client fails the call', async () => {
    const client = startClient({ queue: newQueueName(), serializer: { serialize: fails } });
    for (const call of [client.send('echo', 1), client.emit('placed', 1)]) {
      expect(await rejection(lastValueFrom(call))).toMatchObject({ message: 'the seal is broken' });
    }
  });

  it('as deserializer of the client fails the call', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ echo: (data: unknown) => data })), { queue });
    const client = startClient({ queue, deserializer: { deserialize: fails } });
    expect(await rejection(lastValueFrom(client.send('echo', 1)))).toMatchObject({
      message: 'the seal is broken',
    });
  });

  it('as serializer of the server is told to the caller and logged, and the app goes on', async () => {
    const queue = newQueueName();
    const serialize = (packet: WritePacket) => (packet.response === 'bad' ? fails() : packet);
    await startApp(moduleOf(requests({ echo: (data: unknown) => data })), {
      queue,
      serializer: { serialize },
    });
    const client = startClient({ queue });
    expect(await rejection(lastValueFrom(client.send('echo', 'bad')))).toEqual({
      status: 'error',
      message: 'the seal is broken',
    });
    expect(logs).toContainEqual(
      expect.stringContaining("response to 'echo' cannot be sent: the seal is broken"),
    );
    expect(await lastValueFrom(client.send('echo', 'good'))).toBe('good');
  });

  it('as deserializer of the server is told to the caller and logged, and the app goes on', async () => {
    const queue = newQueueName();
    const deserialize = (packet: ReadPacket) => (packet.data === 'bad' ? fails() : packet) as never;
    await startApp(moduleOf(requests({ echo: (data: unknown) => data })), {
      queue,
      deserializer: { deserialize },
    });
    const client = startClient({ queue });
    expect(await rejection(lastValueFrom(client.send('echo', 'bad')))).toEqual({
      status: 'error',
      message: 'Internal server error',
    });
    expect(logs).toContainEqual(expect.stringContaining('the seal is broken'));
    expect(await lastValueFrom(client.send('echo', 'good'))).toBe('good');
  });
});

describe('one that never ends', () => {
  const never = (): Promise<never> => new Promise(() => undefined);

  it('as serializer of the client fails the call in time, and the client can be closed', async () => {
    const options = { queue: newQueueName(), timeout: 50, enqueueTimeout: 60 };
    const client = startClient({ ...options, serializer: { serialize: never } });
    const late = (ms: number) => ({
      code: 'ENQUEUE_FAILED',
      message: `the event was not stored: its serializer did not end within ${String(ms)} ms`,
    });
    expect(await rejection(lastValueFrom(client.send('a', 1)))).toMatchObject(late(50));
    expect(await rejection(lastValueFrom(client.emit('a', 1)))).toMatchObject(late(60));
    await client.close();
  });

  it('as deserializer of the client fails the call in time', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(requests({ echo: (data: unknown) => data })), { queue });
    const client = startClient({ queue, timeout: 1_000, deserializer: { deserialize: never } });
    expect(await rejection(lastValueFrom(client.send('echo', 1)))).toMatchObject({ code: 'TIMEOUT_EXPIRED' });
  });
});

it('a serializer of the client may answer the text of the payload, for a reader of another kind', async () => {
  const queue = newQueueName();
  await startApp(moduleOf(requests({ echo: (data: unknown) => data })), { queue });
  const client = startClient({
    queue,
    serializer: { serialize: ({ data }: ReadPacket) => `<${String(data)}>` },
  });
  expect(await valuesOf(client.send('echo', 'xml'))).toEqual(['<xml>']);
});
