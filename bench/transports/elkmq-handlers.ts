import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { ElkMqClient, ElkMqContext, ElkMqEventPattern, ElkMqServer } from 'nestjs-elkmq';
import { from, type Observable } from 'rxjs';
import { ECHO, EVENT } from '../payload.js';
import type { BenchTransport, BenchWorker } from './bench-transport.js';
import { elkmq } from './elkmq.js';

/** ElkMQ with handlers that do more than to answer once, to be compared with ElkMQ whose handlers do that. */

const QUEUE = 'bench';
const RETRY_DELAY_MS = 1;
const VALUES = 20;

async function listen(controller: new () => object, strategy: ElkMqServer): Promise<BenchWorker> {
  @Module({ controllers: [controller] })
  class HandlersModule {}

  const app = await NestFactory.createMicroservice(HandlersModule, { strategy });
  await app.listen();
  return app;
}

/** Each event fails once, with an exception that Nest does not log. */
export const retried: BenchTransport = {
  ...elkmq,
  title: 'ElkMQ, retry after one failure',
  carries: 'events',
  startWorker(url, handled) {
    @Controller()
    class FailingController {
      @ElkMqEventPattern(EVENT, { retry: { attempts: 2, backoff: { type: 'fixed', delay: RETRY_DELAY_MS } } })
      event(@Payload() payload: object, @Ctx() context: ElkMqContext): void {
        if (context.getAttempt() === 1) throw new RpcException('the first attempt fails');
        handled(payload);
      }
    }
    return listen(FailingController, new ElkMqServer({ queue: QUEUE, url }));
  },
};

export const streamed: BenchTransport = {
  ...elkmq,
  title: `ElkMQ, a value of ${VALUES}`,
  keeps: `as ElkMQ; a request is answered by ${VALUES} values, and each of them counts`,
  carries: 'requests',
  perMessage: VALUES,
  startWorker(url) {
    @Controller()
    class StreamingController {
      @MessagePattern(ECHO)
      echo(@Payload() payload: object): Observable<object> {
        return from(Array.from({ length: VALUES }, () => payload));
      }
    }
    return listen(StreamingController, new ElkMqServer({ queue: QUEUE, url }));
  },
};

/** An event of a topic, with so many subscriptions whose workers are in one process. */
export function subscribed(count: number): BenchTransport {
  return {
    ...elkmq,
    title: `ElkMQ, a copy of ${count}`,
    keeps: `as ElkMQ; an event of a topic with ${count === 1 ? 'one subscription' : `${count} subscriptions`}, and each copy counts`,
    carries: 'events',
    perMessage: count,
    async startWorker(url, handled) {
      @Controller()
      class CopyController {
        @EventPattern(EVENT)
        event(@Payload() payload: object): void {
          handled(payload);
        }
      }
      const workers = await Promise.all(
        Array.from({ length: count }, (_, n) =>
          listen(CopyController, new ElkMqServer({ topic: QUEUE, subscription: `service-${n}`, url })),
        ),
      );
      return { close: () => Promise.all(workers.map((worker) => worker.close())) };
    },
    client: (url) => new ElkMqClient({ topic: QUEUE, url }),
  };
}
