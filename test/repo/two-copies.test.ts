import { randomUUID } from 'node:crypto';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import * as ours from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { deadLettersOf, events, moduleOf, requests, startApp, startClient } from '../support/nest.js';
import { newQueueName, until, url } from '../support/queue.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let other: typeof ours;

beforeAll(async () => {
  // Below the root, so that it finds the packages.
  const folder = join(root, 'dist', `copy-${randomUUID()}`);
  await cp(join(root, 'libs/nestjs-elkmq/dist'), folder, { recursive: true });
  for (const part of ['package.json', 'dist'])
    await cp(join(root, 'libs/elkmq', part), join(folder, 'node_modules/elkmq', part), { recursive: true });
  other = (await import(/* @vite-ignore */ pathToFileURL(join(folder, 'index.js')).href)) as typeof ours;
  return () => rm(folder, { recursive: true });
});

it('a record of another copy of the package keeps its headers and its time', async () => {
  expect(other.ElkMqRecord).not.toBe(ours.ElkMqRecord);
  const queue = newQueueName();
  const handler = (data: unknown, context: ours.ElkMqContext) => [
    data,
    context.getHeaders(),
    context.getEvent().timeout,
  ];
  await startApp(moduleOf(requests({ ask: handler })), { queue });
  const record = new other.ElkMqRecordBuilder({ id: 7 })
    .setHeaders({ tenant: 'blue' })
    .setTimeout(9_000)
    .build();
  expect(await lastValueFrom(startClient({ queue }).send('ask', record))).toEqual([
    { id: 7 },
    { tenant: 'blue' },
    9,
  ]);
});

it('an interceptor of another copy of the package shows what was thrown', async () => {
  const queue = newQueueName();
  const refuse = (): never => {
    throw new Error('sold out');
  };
  const module = {
    ...moduleOf(events({ odd: refuse })),
    providers: [{ provide: APP_INTERCEPTOR, useClass: other.ElkMqErrorInterceptor }],
  };
  await startApp(module, { queue });
  await lastValueFrom(startClient({ queue }).emit('odd', 1), { defaultValue: undefined });
  await until(async () => (await deadLettersOf(queue)).length === 1);
  expect(await deadLettersOf(queue)).toMatchObject([{ error: { message: 'sold out' } }]);
});

it('a module of another copy of the package drains a server before it destroys what handlers use', async () => {
  const destroyed: string[] = [];
  class Used {
    onModuleDestroy(): void {
      destroyed.push('used');
    }
  }
  const strategy = new ours.ElkMqServer({ queue: newQueueName(), url });
  strategy.on('disconnected', () => destroyed.push('server'));
  const module = { ...moduleOf(), imports: [other.ElkMqModule], providers: [Used] };
  const app = await NestFactory.create(module);
  onTestFinished(() => app.close());
  app.connectMicroservice({ strategy });
  await app.startAllMicroservices();
  await app.init();
  await app.close();
  expect(destroyed).toEqual(['server', 'used']);
});
