// An application that checks the types of its dependencies too. Compiled by published-types.test.ts, never run.
import { Controller, Module } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { ElkMqBatch, ElkMqClient, ElkMqModule, ElkMqServer, elkMqExtras, EventQueue } from 'nestjs-elkmq';
import { ElkMqOpenTelemetry } from 'nestjs-elkmq/opentelemetry';
import { OutboxRelay } from 'nestjs-elkmq/outbox';
import { ElkMqHealthIndicator } from 'nestjs-elkmq/terminus';
import { ElkMqTestQueue } from 'nestjs-elkmq/testing';

@Controller()
class OrdersController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly elkmq: ElkMqHealthIndicator,
  ) {}

  @MessagePattern('order.total')
  total(@Payload() prices: number[]): number {
    return prices.reduce((sum, price) => sum + price, 0);
  }

  @EventPattern('order.placed', elkMqExtras({ delivery: 'at-least-once', retry: { attempts: 3 } }))
  placed(@Payload() order: { id: number }): number {
    return order.id;
  }

  @EventPattern('page.viewed')
  @ElkMqBatch({ size: 10, items: String })
  viewed(@Payload() pages: string[]): (Error | undefined)[] {
    return pages.map((page) => (page === '' ? new Error('no page') : undefined));
  }

  check() {
    const queue = new EventQueue('orders');
    return this.health.check([() => this.elkmq.check('orders', queue, { maxWaiting: 10 })]);
  }
}

@Module({
  imports: [TerminusModule, ElkMqModule.register([{ name: 'ORDERS', queue: 'orders' }])],
  controllers: [OrdersController],
  providers: [ElkMqHealthIndicator],
})
export class OrdersModule {}

export const server = new ElkMqServer({ queue: 'orders', telemetry: new ElkMqOpenTelemetry() });
export const testQueue = new ElkMqTestQueue({ server: { concurrency: 1 } });

export const relay = new OutboxRelay({
  name: 'shop',
  client: new ElkMqClient({ queue: 'orders' }),
  transfer: async (send) => {
    const { sent, refused } = await send([
      { id: 1n, pattern: 'order.placed', data: { id: 1 }, headers: null },
    ]);
    return [...sent, ...refused.map(({ id }) => id)] satisfies bigint[];
  },
});
