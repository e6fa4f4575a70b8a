/**
 * The console on a Redis of its own, with something to look at: a service that handles orders and sometimes fails, and
 * mails that nobody sends. It ends with Ctrl-C, and leaves nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ElkMqConsoleModule } from 'elkmq-console/nest';
import { ElkMqClient, ElkMqModule, ElkMqRecordBuilder, ElkMqServer } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { Cleanups } from './demo/cleanups.js';
import { interruption } from './demo/interruption.js';
import { startRedis } from './redis.js';

const PORT = Number(process.env['PORT'] ?? 3900);
const PATH = '/elkmq';
const LOAD_PAUSE_MS = 100;
const HOUR_MS = 3_600_000;

interface Order {
  readonly id: number;
  readonly articles: readonly string[];
}

@Controller()
class OrdersController {
  @EventPattern('order.placed')
  place(@Payload() order: Order): void {
    if (order.id % 10 === 7) throw new RangeError(`the article ${order.articles.join(', ')} has no price`);
  }

  @MessagePattern('order.total')
  total(@Payload() order: Order): number {
    return order.articles.length * 3.5;
  }

  @EventPattern('order.shipped')
  async ship(@Payload() order: Order): Promise<void> {
    await sleep(order.articles.length * 2_500);
  }
}

const cleanups = new Cleanups();
try {
  await Promise.race([showConsole(), interruption()]);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  console.log(`\n${message}`);
  if (!message.startsWith('Interrupted')) process.exitCode = 1;
} finally {
  await cleanups.run();
}

async function showConsole(): Promise<void> {
  const redis = await startRedis();
  cleanups.add(() => redis.stop());

  @Module({
    imports: [
      ElkMqModule,
      ElkMqConsoleModule.forRoot({ redis: redis.url, path: PATH, authorize: () => true }),
    ],
    controllers: [OrdersController],
  })
  class DemoModule {}

  const app = await NestFactory.create(DemoModule, { logger: false });
  cleanups.add(() => app.close());
  app.connectMicroservice({
    strategy: new ElkMqServer({ queue: 'orders', url: redis.url, drainTimeout: 100 }),
  });
  await app.startAllMicroservices();
  await app.listen(PORT, '127.0.0.1');
  console.log(`The console is at ${await app.getUrl()}${PATH}/ until you press Ctrl-C.`);
  await sendForEver(redis.url);
}

/** Sends orders again and again: one of ten fails, some are due later. A mail of each waits for nobody. */
async function sendForEver(url: string): Promise<void> {
  const orders = new ElkMqClient({ queue: 'orders', url });
  const mails = new ElkMqClient({ queue: 'mails', url });
  const ending = new AbortController();
  const sending = sendOrders(orders, mails, ending.signal);
  cleanups.add(async () => {
    // A client that is used once more after its end connects again.
    ending.abort();
    await sending;
    await Promise.all([orders.close(), mails.close()]);
  });
  await sending;
}

async function sendOrders(orders: ElkMqClient, mails: ElkMqClient, ending: AbortSignal): Promise<void> {
  for (let id = 4_701; !ending.aborted; id++) {
    const order: Order = { id, articles: ['pen', 'paper'].slice(id % 2) };
    const tenant = id % 3 === 0 ? 'acme' : 'globex';
    const record = new ElkMqRecordBuilder(order).setHeaders({ tenant });
    await lastValueFrom(orders.emit('order.placed', record.build()), { defaultValue: undefined });
    await lastValueFrom(orders.send('order.total', order));
    if (id % 20 === 0) orders.emit('order.shipped', order);
    if (id % 50 === 0) orders.emit('order.placed', record.setDelay(HOUR_MS).build());
    if (id % 5 === 0) mails.emit('mail.send', { to: `customer-${String(id)}@example.com`, order: id });
    await sleep(LOAD_PAUSE_MS);
  }
}
