import { runInNewContext } from 'node:vm';
import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { type ElkMqServerOptions, type ElkMqTelemetry } from 'nestjs-elkmq';
import { lastValueFrom, throwError } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeThrown } from '../../libs/elkmq/src/model/thrown.js';
import { newQueue } from '../support/event-queue.js';
import { failing, watched } from '../support/failing.js';
import {
  deadLettersOf,
  events,
  logger,
  logs,
  moduleOf,
  requests,
  startApp,
  startClient,
  unsettled,
} from '../support/nest.js';
import { oddValues } from '../support/odd-values.js';
import { newQueueName, rejection, until } from '../support/queue.js';
import { unhandledRejections } from '../support/unhandled-rejections.js';
import { ask, startWorker } from '../support/workers.js';

/** A handler that throws, in one of the ways there are, the value whose number it is sent. */
function thrower(values: readonly unknown[]) {
  return (index: unknown): unknown => {
    const value = values[index as number];
    if ((index as number) % 3 === 1) return throwError(() => value);
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- anything can be thrown
    if ((index as number) % 3 === 2) return Promise.reject(value);
    throw value;
  };
}

async function emitAll(queue: string, pattern: string, count: number): Promise<void> {
  const client = startClient({ queue });
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      lastValueFrom(client.emit(pattern, index), { defaultValue: undefined }),
    ),
  );
}

describe('a thrown value', () => {
  it('is described by well-formed text, whatever it is', () => {
    fc.assert(
      fc.property(oddValues, (make) => {
        const { name, message, stack = '' } = describeThrown(make());
        for (const text of [name, message, stack]) {
          expect(typeof text).toBe('string');
          expect(text.isWellFormed()).toBe(true);
          expect(text.length).toBeLessThan(20_000);
        }
        expect(name).not.toBe('');
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [Object.assign(new TypeError('x'), { message: 5n }), { name: 'TypeError', message: '5' }],
    [Object.assign(new Error('x'), { name: undefined }), { name: 'Error', message: 'x' }],
    [new (class SoldOut extends Error {})('x'), { name: 'SoldOut', message: 'x' }],
    [Object.assign(new (class SoldOut extends Error {})('x'), { name: 'Gone' }), { name: 'Gone' }],
    [new (class extends Error {})('x'), { name: 'Error' }],
    [Object.assign(new Error('x'), { constructor: { name: 5 } }), { name: 'Error' }],
    [Object.assign(new Error('x'), { constructor: undefined }), { name: 'Error' }],
    ['sold out', { name: 'string', message: 'sold out' }],
    [undefined, { name: 'undefined', message: 'undefined' }],
    [{ code: 409 }, { name: 'object', message: '{"code":409}' }],
    [{ amount: 5n }, { name: 'object', message: '{ amount: 5n }' }],
    [
      runInNewContext('new TypeError("of another realm")'),
      { name: 'TypeError', message: 'of another realm' },
    ],
  ])('is described by what can be read of it: %#', (value, description) => {
    expect(describeThrown(value)).toMatchObject(description);
  });
});

describe('whatever a handler throws', () => {
  it('each event becomes a dead letter, which can be retried, and no slot is kept', async () => {
    const rejections = unhandledRejections();
    const values = fc.sample(oddValues, 60).map((make) => make());
    const queue = newQueueName();
    const server = await startWorker({ queue, concurrency: 4 }, { 'an event': thrower(values) as never });
    await emitAll(queue, 'an event', values.length);
    await until(async () => (await deadLettersOf(queue)).length === values.length);

    const letters = await deadLettersOf(queue);
    for (const { reason, error } of letters)
      expect([reason, typeof error?.message]).toEqual(['failed', 'string']);
    await until(async () => (await server.state()).running === 0);
    expect(await unsettled(queue)).toBe(0);
    await server.close();
    expect(await newQueue(queue).deadLetters.retry({})).toBe(values.length);
    expect(rejections).toEqual([]);
  });

  it('each event of a Nest application becomes a dead letter, too', async () => {
    const rejections = unhandledRejections();
    const values = fc.sample(oddValues, 60).map((make) => make());
    const queue = newQueueName();
    await startApp(watched(events({ odd: thrower(values) })), { queue, concurrency: 4 });
    await emitAll(queue, 'odd', values.length);
    await until(async () => (await deadLettersOf(queue)).length === values.length);
    await until(async () => (await unsettled(queue)) === 0);
    expect(rejections).toEqual([]);
  });

  it('each caller is told that its request has failed, and no slot is kept', async () => {
    const rejections = unhandledRejections();
    const values = fc.sample(oddValues, 60).map((make) => make());
    const queue = newQueueName();
    const options = { queue, concurrency: 4 };
    const server = await startWorker(options, { plain: thrower(values) as never });
    await startApp(moduleOf(requests({ nest: thrower(values) })), { ...options, queue: `${queue}-nest` });
    for (const [name, pattern] of [
      [queue, 'plain'],
      [`${queue}-nest`, 'nest'],
    ] as const) {
      const client = startClient({ queue: name });
      await Promise.all(values.map((_, index) => rejection(ask(client, pattern, index))));
      await until(async () => (await unsettled(name)) === 0);
    }
    expect((await server.state()).running).toBe(0);
    expect(rejections).toEqual([]);
  });

  it.each([undefined, null, '', 0, false])('its caller is told of %j, too', async (value) => {
    const queue = newQueueName();
    await startWorker({ queue }, { plain: () => Promise.resolve(throwError(() => value)) });
    const told = await rejection(ask(startClient({ queue }), 'plain', 1));
    expect(told).toEqual({ status: 'error', message: 'Internal server error' });
  });
});

describe('what an application brings can throw, and each message ends all the same:', () => {
  const bug = (): never => {
    throw new Error('a bug');
  };
  const rejects = (): unknown => Promise.reject(new Error('a bug'));
  const telemetry: ElkMqTelemetry = {
    startSend: () => ({ headers: {}, stored: bug, ended: bug }),
    startProcess: () => ({ run: (work) => work(), ended: bug }),
    observeQueue: bug,
  };
  const unreadableHeaders = {
    get headers(): never {
      return bug();
    },
    stored: bug,
    ended: bug,
  };

  it.each<[string, Partial<ElkMqServerOptions>, (() => void)?]>([
    ['the logger', {}, () => useLogger(bug)],
    ['a logger that throws what cannot be read', {}, () => useLogger(oddly)],
    ['the telemetry', { telemetry }],
    [
      'telemetry that answers nothing',
      { telemetry: { ...telemetry, startProcess: () => undefined as never } },
    ],
    [
      'telemetry that never calls its work',
      { telemetry: { ...telemetry, startProcess: () => ({ run: () => undefined as never, ended: bug }) } },
    ],
    [
      'telemetry that rejects',
      {
        telemetry: {
          ...telemetry,
          startProcess: () => ({
            run: (work) => {
              work();
              return Promise.reject(new Error('a bug')) as never;
            },
            ended: bug,
          }),
        },
      },
    ],
    [
      'telemetry whose functions are asynchronous',
      {
        telemetry: {
          startSend: () => ({ headers: {}, stored: rejects, ended: rejects }),
          startProcess: () => ({ run: (work) => work(), ended: rejects }),
          observeQueue: () => rejects,
        },
      },
    ],
    [
      'telemetry that promises its observers, and rejects',
      {
        telemetry: {
          startSend: rejects as never,
          startProcess: rejects as never,
          observeQueue: rejects as never,
        },
      },
    ],
    [
      'telemetry whose headers cannot be read',
      { telemetry: { ...telemetry, startSend: () => unreadableHeaders } },
    ],
    [
      'retry.when that rejects',
      { retry: { attempts: 2, when: () => Promise.reject(new Error('a bug')) as never } },
    ],
    ['retry.when', { retry: { attempts: 2, when: oddly } }],
  ])('%s', async (_what, options, before) => {
    const rejections = unhandledRejections();
    const queue = newQueueName();
    const { handler } = failing(1);
    onTestFinished(() => {
      Logger.overrideLogger(logger);
    });
    await startApp(moduleOf(events({ odd: handler }), requests({ plain: () => 'fine' })), {
      queue,
      ...options,
    });
    before?.();
    const { telemetry: watching } = options;
    const client = startClient({ queue, ...(watching && { telemetry: watching }) });
    await lastValueFrom(client.emit('odd', 1), { defaultValue: undefined });
    expect(await ask(client, 'plain', 1)).toBe('fine');
    await until(async () => (await deadLettersOf(queue)).length === 1);
    await until(async () => (await unsettled(queue)) === 0);
    expect(rejections).toEqual([]);
  });

  it('a listener of the server', async () => {
    const queue = newQueueName();
    const server = await startWorker({ queue }, { plain: () => Promise.resolve('fine') });
    server.on('reconnecting', bug);
    server.on('connected', bug);
    server.unwrap<{ disconnect(reconnect: boolean): void }>().disconnect(true);
    expect(await ask(startClient({ queue }), 'plain', 1)).toBe('fine');
  });

  it('a listener that is asynchronous, and the other listeners are called all the same', async () => {
    const rejections = unhandledRejections();
    const client = startClient({ queue: newQueueName() });
    const called: string[] = [];
    client.on('connected', rejects);
    client.on('connected', bug);
    client.on('connected', () => called.push('connected'));
    const from = logs.length;
    await client.connect();
    await until(() => called.length === 1);
    const line = "error [ElkMqClient] A listener of 'connected' has failed: a bug";
    await until(() => logs.slice(from).filter((log) => log === line).length === 2);
    expect(rejections).toEqual([]);
  });

  function useLogger(error: () => never): void {
    Logger.overrideLogger({ log: bug, warn: bug, error });
  }

  function oddly(): never {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    throw proxy as unknown as Error;
  }
});
