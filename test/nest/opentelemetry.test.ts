import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { ElkMqRecordBuilder, ElkMqServer, type ElkMqTelemetry } from 'nestjs-elkmq';
import { ElkMqOpenTelemetry } from 'nestjs-elkmq/opentelemetry';
import { RpcException } from '@nestjs/microservices';
import { lastValueFrom, of } from 'rxjs';
import { expect, it } from 'vitest';
import { deadLettersOf, events, listening, logs, moduleOf, requests } from '../support/nest.js';
import { startApp, startClient, told, unsettled } from '../support/nest.js';
import { newQueueName, rejection, until, url } from '../support/queue.js';
import { startTelemetry, type ExportedSpan } from '../support/spans.js';

const spans: ExportedSpan[] = [];
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
startTelemetry((span) => spans.push(span), [reader]);
const telemetry = new ElkMqOpenTelemetry();

/** The spans of a queue, by name, in the order in which they ended. */
function named(name: string, queue: string): ExportedSpan[] {
  return spans.filter((span) => span.name === `${name} ${queue}`);
}

it('each attempt has a span, which links to where the message was sent; a failed one has the error', async () => {
  const queue = newQueueName();
  const handler = events(
    {
      flaky: (_data, context) => {
        if (context.getAttempt() < 3) throw new RpcException('not yet');
      },
    },
    { retry: { attempts: 3, backoff: 1 } },
  );
  await startApp(moduleOf(handler), { queue, telemetry });
  await told(startClient({ queue, telemetry }).emit('flaky', {}));
  await until(() => named('process', queue).length === 3);
  const [send] = named('send', queue);
  const processed = named('process', queue);
  expect(processed.map(({ attributes }) => attributes['messaging.elkmq.outcome'])).toEqual([
    ...['retried', 'retried', 'handled'],
  ]);
  expect(processed.map(({ links }) => links)).toEqual([[], [send?.spanId], [send?.spanId]]);
  expect(processed.map(({ status }) => status)).toEqual([2, 2, 0]);
  expect(new Set([...processed, send].map((span) => span?.traceId)).size).toBe(1);
  expect(new Set(processed.map(({ attributes }) => attributes['messaging.message.id'])).size).toBe(1);
});

it('an event of a topic has one producing span, and a consuming one for each subscription', async () => {
  const topic = newQueueName();
  for (const subscription of ['billing', 'mail']) {
    await startApp(moduleOf(events({ placed: () => undefined })), { topic, subscription, telemetry });
  }
  await told(startClient({ topic, telemetry }).emit('placed', {}));
  const [billing, mail] = [`{${topic}}/billing`, `{${topic}}/mail`];
  await until(() => named('process', billing).length === 1 && named('process', mail).length === 1);
  expect(named('send', topic)).toHaveLength(1);
  const all = [...named('send', topic), ...named('process', billing), ...named('process', mail)];
  expect(new Set(all.map(({ traceId }) => traceId)).size).toBe(1);
});

it('every way for a message to end ends its spans once', async () => {
  const queue = newQueueName();
  const handlers = [
    requests({ ok: () => of(1, 2), refused: () => Promise.reject(new RpcException('no')) }),
    events({ lost: () => Promise.reject(new RpcException('no')), fine: () => undefined }),
  ];
  await startApp(moduleOf(...handlers), { queue, telemetry });
  const client = startClient({ queue, telemetry });
  for (const pattern of ['ok', 'refused', 'unknown']) await told(client.send(pattern, {}));
  for (const pattern of ['fine', 'lost', 'nobody']) await told(client.emit(pattern, {}));
  const record = new ElkMqRecordBuilder({}).setHeaders({ tenant: 'blue' }).build();
  await told(client.send('ok', record));
  await rejection(lastValueFrom(client.emit('fine', 10n)));
  await until(async () => (await deadLettersOf(queue)).length === 2);
  await until(() => named('process', queue).length === 7);
  const outcomes = named('process', queue).map(({ attributes }) => attributes['messaging.elkmq.outcome']);
  expect(outcomes.sort()).toEqual([
    ...['dead-lettered', 'dead-lettered', 'failed', 'failed', 'handled', 'handled', 'handled'],
  ]);
  expect(named('send', queue)).toHaveLength(8);
  expect(named('send', queue).filter(({ status }) => status === 2)).toHaveLength(1);
  await until(() => named('receive', queue).length === 4);
  expect(named('receive', queue).map(({ status }) => status)).toEqual([0, 2, 2, 0]);
});

it('a reply that comes before the client knows that its request is stored has a span all the same', () => {
  const queue = newQueueName();
  const request = telemetry.startSend(queue, 'ask', true);
  request.ended();
  request.stored('1-1');
  expect(named('send', queue)).toHaveLength(1);
  expect(named('receive', queue)).toMatchObject([
    { status: 0, attributes: { 'messaging.message.id': '1-1' } },
  ]);
});

it('an attempt that failed with what JSON cannot say has its span all the same', async () => {
  const queue = newQueueName();
  const odd: Record<string, unknown> = {};
  odd['itself'] = odd;
  const server = new ElkMqServer({ queue, url, telemetry });
  const fail = () => {
    throw odd as unknown as Error;
  };
  server.addHandler('fail', fail as () => Promise<never>, true);
  await listening(server);
  await told(startClient({ queue, telemetry }).emit('fail', {}));
  await until(() => named('process', queue).length === 1);
  expect(named('process', queue)[0]).toMatchObject({
    status: 2,
    attributes: { 'error.type': '_OTHER', 'messaging.elkmq.outcome': 'dead-lettered' },
  });
});

it('metrics tell what waits, runs and is dead, what was handled how, and how long it took', async () => {
  const queue = newQueueName();
  let finish: (() => void) | undefined;
  const work = () => new Promise<void>((resolve) => (finish = resolve));
  await startApp(moduleOf(events({ work }), requests({ ask: () => 1 })), {
    queue,
    telemetry,
    concurrency: 1,
  });
  const client = startClient({ queue, telemetry });
  await told(client.send('ask', {}));
  await told(client.emit('nobody', {}));
  await until(async () => (await deadLettersOf(queue)).length === 1);
  for (const id of [1, 2, 3]) await told(client.emit('work', id));
  await until(() => finish !== undefined);
  await reader.forceFlush();
  const value = (name: string, wanted: object = {}) =>
    exporter
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics)
      .find(({ descriptor }) => descriptor.name === name)
      ?.dataPoints.find(({ attributes }) =>
        Object.entries({ 'messaging.destination.name': queue, ...wanted }).every(
          ([key, expected]) => attributes[key] === expected,
        ),
      )?.value;
  expect(value('messaging.elkmq.waiting')).toBe(2);
  expect(value('messaging.elkmq.running')).toBe(1);
  expect(value('messaging.elkmq.dead_letters')).toBe(1);
  expect(value('messaging.elkmq.delayed')).toBe(0);
  const consumed = (outcome: string) =>
    value('messaging.client.consumed.messages', { 'messaging.elkmq.outcome': outcome });
  expect(consumed('handled')).toBe(1);
  expect(consumed('dead-lettered')).toBe(1);
  expect(value('messaging.client.sent.messages', { 'messaging.elkmq.pattern': 'work' })).toBe(3);
  expect(value('messaging.process.duration', { 'messaging.elkmq.pattern': 'ask' })).toMatchObject({
    count: 1,
  });
  for (let left = 3; left > 0; left--) {
    finish?.();
    finish = undefined;
    if (left > 1) await until(() => finish !== undefined);
  }
});

const gone = (): never => {
  throw new Error('exporter gone');
};

it.each<[string, ElkMqTelemetry]>([
  [
    'when it is told',
    {
      startSend: () => ({ headers: {}, stored: gone, ended: gone }),
      startProcess: () => ({ run: (work) => work(), ended: gone }),
      observeQueue: () => () => undefined,
    },
  ],
  ['from the beginning', { startSend: gone, startProcess: gone, observeQueue: gone }],
  [
    'in place of what it is to do',
    {
      startSend: () => ({ headers: {}, stored: gone, ended: gone }),
      startProcess: () => ({ run: gone, ended: gone }),
      observeQueue: () => gone,
    },
  ],
  [
    'when it has done it',
    {
      startSend: () => ({ headers: {}, stored: gone, ended: gone }),
      startProcess: () => ({ run: (work) => (work(), gone()), ended: gone }),
      observeQueue: () => gone,
    },
  ],
])('a telemetry that throws %s harms no message, and the log says so', async (_when, throwing) => {
  const queue = newQueueName();
  const noted: unknown[] = [];
  const note = (data: unknown) => void noted.push(data);
  const handlers = [requests({ double: (data: number) => data * 2 }), events({ note })];
  const app = await startApp(moduleOf(...handlers), { queue, concurrency: 1, telemetry: throwing });
  const client = startClient({ queue, telemetry: throwing });
  const batch = [1, 2, 3].map((data) => lastValueFrom(client.emit('note', data)));
  expect(await Promise.all(batch)).toEqual([undefined, undefined, undefined]);
  expect(await lastValueFrom(client.send('double', 21))).toBe(42);
  expect(noted).toEqual([1, 2, 3]);
  for (const side of ['Client', 'Server']) {
    expect(logs).toContain(`error [ElkMq${side}] What watches the messages has failed: exporter gone`);
  }
  await app.close();
  await lastValueFrom(client.emit('note', 4));
  expect(await unsettled(queue)).toBe(1);
  expect(noted).toEqual([1, 2, 3]);
  logs.length = 0;
});

it('a request that is given up before it is known to be stored counts as sent once', async () => {
  const queue = newQueueName();
  const client = startClient({ queue, telemetry });
  await client.connect();
  const call = client.send('ask', 1).subscribe();
  await new Promise((resolve) => setImmediate(resolve));
  call.unsubscribe();
  await until(async () => (await unsettled(queue)) === 0 && named('send', queue).length > 0);
  await client.close();
  await reader.forceFlush();
  const points = exporter
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.flatMap(({ metrics }) => metrics)
    .filter(({ descriptor }) => descriptor.name === 'messaging.client.sent.messages')
    .flatMap(({ dataPoints }) => dataPoints as DataPoint<number>[])
    .filter(({ attributes }) => attributes['messaging.destination.name'] === queue);
  expect(points?.map(({ value }) => value)).toEqual([1]);
});

it('a telemetry that is none is refused', () => {
  expect(() => startClient({ queue: 'q', telemetry: {} as never })).toThrow(
    'telemetry must have the methods',
  );
});
