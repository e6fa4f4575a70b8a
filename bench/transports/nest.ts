import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload, type MicroserviceOptions } from '@nestjs/microservices';
import { USUAL, type Conditions } from '../conditions.js';
import { ECHO, EVENT } from '../payload.js';
import type { BenchWorker } from './bench-transport.js';

/** The worker of every transport that is one of Nest's. */
export async function startNestWorker(
  options: MicroserviceOptions,
  handled: (event: object) => void,
  { handlerMs }: Conditions = USUAL,
): Promise<BenchWorker> {
  @Controller()
  class BenchController {
    @MessagePattern(ECHO)
    echo(@Payload() payload: object): object | Promise<object> {
      return handlerMs === 0 ? payload : delay(handlerMs, payload);
    }

    @EventPattern(EVENT)
    event(@Payload() payload: object): Promise<void> | undefined {
      if (handlerMs > 0) return delay(handlerMs, payload).then(handled);
      handled(payload);
      return undefined;
    }
  }

  @Module({ controllers: [BenchController] })
  class BenchModule {}

  const app = await NestFactory.createMicroservice<MicroserviceOptions>(BenchModule, options);
  await app.listen();
  return app;
}
