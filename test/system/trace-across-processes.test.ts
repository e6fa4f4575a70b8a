import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trace } from '@opentelemetry/api';
import { ElkMqOpenTelemetry } from 'nestjs-elkmq/opentelemetry';
import { lastValueFrom } from 'rxjs';
import { expect, it, onTestFinished } from 'vitest';
import { startClient } from '../support/nest.js';
import { TestProcess } from '../support/processes.js';
import { newQueueName, until, url } from '../support/queue.js';
import { exportTo, type ExportedSpan, startTelemetry } from '../support/spans.js';

it('a request across two processes is one trace, its spans in order, exported to a file by the SDK', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-spans-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'spans.jsonl');
  const queue = newQueueName();
  await TestProcess.start('traced-worker', url, queue, file);
  startTelemetry(exportTo(file));

  const client = startClient({ queue, telemetry: new ElkMqOpenTelemetry() });
  const answer = await trace.getTracer('test').startActiveSpan('checkout', async (span) => {
    const doubled = await lastValueFrom(client.send<number>('double', 21));
    span.end();
    return doubled;
  });
  expect(answer).toBe(42);
  const read = async () =>
    (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as ExportedSpan);
  await until(async () => (await read()).length === 5);
  const all = await read();
  const [checkout, send, receive, process_, lookUp] = [
    ...['checkout', `send ${queue}`, `receive ${queue}`, `process ${queue}`, 'look up'],
  ].map((name) => all.find((span) => span.name === name)) as [
    ...[ExportedSpan, ExportedSpan, ExportedSpan, ExportedSpan, ExportedSpan],
  ];
  expect(new Set(all.map(({ traceId }) => traceId)).size).toBe(1);
  expect(send.parent).toBe(checkout.spanId);
  expect(receive.parent).toBe(send.spanId);
  expect(process_.parent).toBe(send.spanId);
  expect(lookUp.parent).toBe(process_.spanId);
  expect(process_.process).not.toBe(send.process);
  // The clock is one: both processes are on this machine.
  expect(process_.start).toBeGreaterThanOrEqual(send.start);
  expect(lookUp.start).toBeGreaterThanOrEqual(process_.start);
  expect(receive.end).toBeGreaterThanOrEqual(lookUp.end);
  expect(process_.attributes).toMatchObject({
    'messaging.system': 'elkmq',
    'messaging.destination.name': queue,
    'messaging.operation.type': 'process',
    'messaging.message.id': send.attributes['messaging.message.id'],
    'messaging.elkmq.pattern': 'double',
    'messaging.elkmq.attempt': 1,
    'messaging.elkmq.outcome': 'handled',
  });
});
