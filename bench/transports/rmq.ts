import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientProxyFactory,
  Ctx,
  EventPattern,
  MessagePattern,
  Payload,
  Transport,
  type MicroserviceOptions,
  type RmqContext,
} from '@nestjs/microservices';
import type { Conditions } from '../conditions.js';
import { ECHO, EVENT } from '../payload.js';
import type { BenchTransport, BenchWorker } from './bench-transport.js';
import { startNestWorker } from './nest.js';
import { missingRabbit, startRabbitBroker } from './rabbitmq-broker.js';

function options(url: string, noAck: boolean, prefetchCount?: number) {
  return {
    transport: Transport.RMQ as const,
    options: {
      urls: [url],
      queue: 'bench',
      queueOptions: { durable: true },
      persistent: true,
      noAck,
      ...(prefetchCount !== undefined && { prefetchCount }),
      // Or a single message waits for 40 ms.
      socketOptions: { connectionOptions: { noDelay: true } },
    },
  };
}

/** Acknowledges each message when it has been handled, as somebody has to who does not want to lose any. */
async function startAckingWorker(
  url: string,
  handled: (event: object) => void,
  { handlerMs, concurrency }: Conditions,
): Promise<BenchWorker> {
  const acknowledge = (context: unknown): void => {
    const message = context as RmqContext;
    const channel = message.getChannelRef() as { ack(message: object): void };
    channel.ack(message.getMessage());
  };

  @Controller()
  class AckingController {
    @MessagePattern(ECHO)
    async echo(@Payload() payload: object, @Ctx() context: unknown): Promise<object> {
      if (handlerMs > 0) await delay(handlerMs);
      acknowledge(context);
      return payload;
    }

    @EventPattern(EVENT)
    async event(@Payload() payload: object, @Ctx() context: unknown): Promise<void> {
      if (handlerMs > 0) await delay(handlerMs);
      acknowledge(context);
      handled(payload);
    }
  }

  @Module({ controllers: [AckingController] })
  class AckingModule {}

  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    AckingModule,
    options(url, false, concurrency),
  );
  await app.listen();
  return app;
}

const shared = {
  stores: true,
  shares: true,
  missing: missingRabbit,
  startBroker: startRabbitBroker,
  // The reply queue has to be read without acknowledgements.
  client: (url: string) => ClientProxyFactory.create(options(url, true)),
};

export const rmq: BenchTransport = {
  ...shared,
  title: 'Nest RMQ',
  keeps: 'stored in RabbitMQ until it is sent to a worker (noAck), durable queue, persistent messages',
  startWorker: (url, ...rest) => startNestWorker(options(url, true), ...rest),
};

export const rmqAck: BenchTransport = {
  ...shared,
  title: 'Nest RMQ, ack',
  keeps: 'stored in RabbitMQ until a worker has acknowledged it, durable queue, persistent messages',
  startWorker: startAckingWorker,
};
