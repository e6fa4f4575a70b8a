import { RpcException } from '@nestjs/microservices';
import { lastValueFrom, throwError } from 'rxjs';
import { ElkMqRecordBuilder } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, events, logs, moduleOf, type DeadLetter } from '../support/nest.js';
import { startApp, startClient, unsettled } from '../support/nest.js';
import { newQueueName, redis, until } from '../support/queue.js';

const refuse = (error: unknown) => (): never => {
  throw error;
};

const noting = events({ 'order.placed': () => 'noted' });

describe('an event that is not handled becomes a dead letter', () => {
  it.each([
    ['throws', refuse(new RpcException('sold out')), 'sold out'],
    ['throws an object', refuse(new RpcException({ code: 409 })), '409'],
    ['throws an error of its own', refuse(new Error('a bug')), 'Internal server error'],
    ['rejects', () => Promise.reject(new RpcException('sold out')), 'sold out'],
    ['answers an Observable that fails', () => throwError(refuse(new RpcException('sold out'))), 'sold out'],
  ])('when its handler %s', async (_how, handler, message) => {
    const queue = newQueueName();
    await startApp(moduleOf(events({ 'order.placed': handler })), { queue });
    const record = new ElkMqRecordBuilder({ id: 7 }).setHeaders({ tenant: 'blue' }).build();
    await lastValueFrom(startClient({ queue }).emit('order.placed', record));
    await until(async () => (await deadLettersOf(queue)).length === 1);

    const [letter] = await deadLettersOf(queue);
    expect(letter).toMatchObject({
      reason: 'failed',
      error: { message: expect.stringContaining(message) as unknown },
      attempts: 1,
    });
    const { fields } = letter as { fields: string[] };
    expect(JSON.parse(fields[1] as string)).toMatchObject({ action: 'order.placed', payload: '{"id":7}' });
    expect(fields).toContain('{"tenant":"blue"}');
    expect(logs).toContainEqual(
      expect.stringMatching(/error .*order\.placed \(\d+-\d+\) was not handled \(failed\): /),
    );
    await until(async () => (await unsettled(queue)) === 0);
  });

  it('when one of several handlers fails', async () => {
    const queue = newQueueName();
    const failing = events({ 'order.placed': refuse(new RpcException('sold out')) });
    await startApp(moduleOf(noting, failing), { queue });
    await lastValueFrom(startClient({ queue }).emit('order.placed', {}));
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'failed' }]);
  });

  it('when no handler has its pattern', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(noting), { queue });
    await lastValueFrom(startClient({ queue }).emit('order.lost', { id: 7 }));
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'unhandled' }]);
    const [{ origin }] = (await deadLettersOf(queue)) as [DeadLetter];
    const line = `Queue '${queue}': order.lost (${origin}) was not handled (unhandled): no handler has this pattern`;
    expect(logs).toContainEqual(expect.stringContaining(line));
  });

  it.each([
    ['eventTimeout of the client', { eventTimeout: 1_000 }, {}],
    ['timeout of its record', {}, new ElkMqRecordBuilder({}).setTimeout(1_000).build()],
  ])('when its time, the %s, was over before a worker took it', async (_what, options, data) => {
    const queue = newQueueName();
    await lastValueFrom(startClient({ queue, ...options }).emit('order.placed', data));
    const [entry] = await redis.xrange(`${queue}(event_stream)`, '-', '+');
    const due = Number.parseInt(entry?.[0] ?? '') + 1_000;
    await until(async () => Number((await redis.time())[0]) * 1_000 > due);

    let handled = 0;
    await startApp(moduleOf(events({ 'order.placed': () => ++handled })), { queue });
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'expired' }]);
    expect(handled).toBe(0);
    expect(await unsettled(queue)).toBe(0);
  });
});
