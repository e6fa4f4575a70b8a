// Nest applications can rely on these types. Compiled, never run: a type that changes breaks the build.
import { type DynamicModule, type Type } from '@nestjs/common';
import {
  ClientsModule,
  Ctx,
  Payload,
  EventPattern,
  MessagePattern,
  type BaseRpcContext,
  type ClientProxy,
  type CustomTransportStrategy,
} from '@nestjs/microservices';
import {
  ELKMQ,
  ElkMqClient,
  ElkMqContext,
  ElkMqEventPattern,
  elkMqExtras,
  ElkMqMessagePattern,
  ElkMqModule,
  ElkMqRecordBuilder,
  ElkMqServer,
  type ElkMqClientOptions,
  type ElkMqClientOptionsFactory,
  type ElkMqHandlerExtras,
  type ElkMqRecord,
  type ElkMqServerOptions,
  type ElkMqStatus,
  type ElkMqTelemetry,
  type QueueState,
  type ServiceEvent,
} from 'nestjs-elkmq';
import { ElkMqOpenTelemetry } from 'nestjs-elkmq/opentelemetry';
import { ElkMqHealthIndicator } from 'nestjs-elkmq/terminus';
import { ElkMqTestQueue } from 'nestjs-elkmq/testing';
import { type Observable } from 'rxjs';
import { expectTypeOf } from 'vitest';

// A client.
const client = new ElkMqClient({ queue: 'orders', url: process.env['REDIS_URL'] });
expectTypeOf(client).toExtend<ClientProxy>();
expectTypeOf(client.send<number>('order.total', [1])).toEqualTypeOf<Observable<number>>();
expectTypeOf(client.send<number, number[]>({ cmd: 'total' }, [1])).toEqualTypeOf<Observable<number>>();
expectTypeOf(client.emit('order.placed', { id: 1 })).toEqualTypeOf<Observable<unknown>>();
expectTypeOf(client.status).toEqualTypeOf<Observable<ElkMqStatus>>();
expectTypeOf<ElkMqStatus>().toEqualTypeOf<'connected' | 'reconnecting' | 'disconnected'>();
expectTypeOf(client.connect()).toEqualTypeOf<Promise<void>>();
expectTypeOf(client.close()).toEqualTypeOf<Promise<void>>();
expectTypeOf(client.state()).toEqualTypeOf<Promise<QueueState>>();
client.on('error', (error) => {
  expectTypeOf(error).toEqualTypeOf<Error>();
});
// @ts-expect-error data is needed, as with Nest's clients
client.send('order.total');
// @ts-expect-error which queue?
new ElkMqClient({});
// @ts-expect-error a server's option
new ElkMqClient({ queue: 'orders', concurrency: 1 });
// @ts-expect-error durations are in milliseconds
new ElkMqClient({ queue: 'orders', timeout: '5s' });
// @ts-expect-error replies are the inside's affair
client.openRequester();

// A server.
const server = new ElkMqServer({ queue: 'orders', delivery: 'once', retry: { attempts: 2, backoff: 10 } });
expectTypeOf(server).toExtend<CustomTransportStrategy>();
expectTypeOf(ELKMQ).toExtend<symbol>();
expectTypeOf<ElkMqServerOptions['delivery']>().toEqualTypeOf<'once' | 'at-least-once' | undefined>();
// @ts-expect-error a client's option
new ElkMqServer({ queue: 'orders', timeout: 1 });
// @ts-expect-error a policy says how often
new ElkMqServer({ queue: 'orders', retry: {} });
// @ts-expect-error `exponential` is a type of back-off
new ElkMqServer({ queue: 'orders', retry: { attempts: 2, backoff: 'exponential' } });

// A record.
const builder = new ElkMqRecordBuilder({ id: 1 });
const built = builder
  .setHeaders({ tenant: 'blue' })
  .setTimeout(1)
  .setDelay(1)
  .setDeduplicationKey('1', 1)
  .setData({ id: 2 })
  .build();
expectTypeOf(built).toEqualTypeOf<ElkMqRecord<{ id: number }>>();
// @ts-expect-error headers are strings
builder.setHeaders({ tenant: 1 });
// @ts-expect-error data of another type
builder.setData('2');

// The context of a handler.
declare const context: ElkMqContext;
expectTypeOf(context).toExtend<BaseRpcContext>();
expectTypeOf(context.getPattern()).toEqualTypeOf<string>();
expectTypeOf(context.getQueue()).toEqualTypeOf<string>();
expectTypeOf(context.getEvent()).toEqualTypeOf<ServiceEvent>();
expectTypeOf(context.getOrigin()).toEqualTypeOf<string>();
expectTypeOf(context.getTimestamp()).toEqualTypeOf<number>();
expectTypeOf(context.getDeadline()).toEqualTypeOf<number>();
expectTypeOf(context.getAttempt()).toEqualTypeOf<number>();
expectTypeOf(context.getHeaders()).toEqualTypeOf<Record<string, string>>();
expectTypeOf(context.getMetadata()).toEqualTypeOf<Record<string, string>>();
expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
expectTypeOf<ElkMqContext['retry']>().toEqualTypeOf<(delay?: number) => void>();
expectTypeOf<ElkMqContext['deadLetter']>().toEqualTypeOf<(reason: string) => void>();

/** Nest 12 refuses these parameters below a bare `@EventPattern`. */
export class Handlers {
  @EventPattern('placed', elkMqExtras({ delivery: 'at-least-once' }))
  placed(order: { id: number }, @Ctx() context: ElkMqContext): string {
    return `${String(order.id)} ${context.getPattern()}`;
  }

  @EventPattern({ cmd: 'paid' }, ELKMQ, elkMqExtras({ retry: { attempts: 2 } }))
  paid(order: { id: number }, @Ctx() context: ElkMqContext): string {
    return this.placed(order, context);
  }

  @MessagePattern('total', elkMqExtras({ retry: { attempts: 2, when: (error) => error instanceof Error } }))
  total(prices: number[], @Ctx() context: ElkMqContext): number {
    return prices.length + context.getAttempt();
  }

  @ElkMqEventPattern('order.*')
  audited(order: { id: number }, @Ctx() context: ElkMqContext): string {
    return this.placed(order, context);
  }

  @ElkMqEventPattern(['sent', { cmd: 'packed' }, 7], { retry: { attempts: 2 } })
  sent(@Payload() order: { id: number }, @Ctx() context: ElkMqContext): string {
    return this.placed(order, context);
  }

  @ElkMqMessagePattern('sum', { delivery: 'at-least-once' })
  sum(prices: number[], @Ctx() context: ElkMqContext): Promise<number> {
    return Promise.resolve(this.total(prices, context));
  }
}
expectTypeOf(elkMqExtras).parameter(0).toEqualTypeOf<ElkMqHandlerExtras>();
// @ts-expect-error no such extra
elkMqExtras({ concurrency: 1 });
// @ts-expect-error no such mode
ElkMqEventPattern('placed', { delivery: 'twice' });
// @ts-expect-error no such mode
elkMqExtras({ delivery: 'twice' });

// Modules.
declare const Factory: Type<ElkMqClientOptionsFactory>;
expectTypeOf(ElkMqModule).toExtend<Type<ElkMqModule>>();
expectTypeOf(ElkMqModule.register([{ name: 'ORDERS', queue: 'orders' }])).toEqualTypeOf<DynamicModule>();
ElkMqModule.register({ isGlobal: true, clients: [{ name: Symbol('orders'), queue: 'orders' }] });
ElkMqModule.registerAsync([
  { name: 'ORDERS', useFactory: (queue: string) => ({ queue }), inject: ['QUEUE'] },
  { name: 'ORDERS', useFactory: () => Promise.resolve({ queue: 'orders' }) },
  { name: 'ORDERS', useClass: Factory },
  { name: 'ORDERS', useExisting: Factory },
]);
ClientsModule.register([{ name: 'ORDERS', customClass: ElkMqClient, options: { queue: 'orders' } }]);
// @ts-expect-error under which name?
ElkMqModule.register([{ queue: 'orders' }]);
// @ts-expect-error a queue is what the options need
ElkMqModule.registerAsync([{ name: 'ORDERS', useFactory: () => ({ url: 'redis://localhost' }) }]);

// The other entry points.
const telemetry = new ElkMqOpenTelemetry();
expectTypeOf(telemetry).toExtend<ElkMqTelemetry>();
expectTypeOf<ElkMqClientOptions['telemetry']>().toEqualTypeOf<ElkMqTelemetry | undefined>();
declare const health: ElkMqHealthIndicator;
for (const source of [client, server]) void health.check('orders', source, { maxWaiting: 1 });
expectTypeOf(health.check('orders', client)).resolves.toHaveProperty('orders');
// @ts-expect-error no such limit
void health.check('orders', client, { max: 1 });
const queue = new ElkMqTestQueue({ server: { retry: { attempts: 2 } }, now: 0 });
expectTypeOf(queue.server).toEqualTypeOf<ElkMqServer>();
expectTypeOf(queue.client).toEqualTypeOf<ElkMqClient>();
expectTypeOf<ElkMqTestQueue['advance']>().toEqualTypeOf<(milliseconds: number) => Promise<void>>();

// Nothing of it is `any`.
expectTypeOf(client).not.toBeAny();
expectTypeOf(server).not.toBeAny();
expectTypeOf(context).not.toBeAny();
expectTypeOf(telemetry).not.toBeAny();
expectTypeOf(health).not.toBeAny();
expectTypeOf(built.data).not.toBeAny();
expectTypeOf(client.send('order.total', [1])).not.toBeAny();
