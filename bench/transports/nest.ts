import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload, type MicroserviceOptions } from '@nestjs/microservices';
import { ECHO, EVENT } from '../payload.js';
import type { BenchWorker } from './bench-transport.js';

/** The worker of every transport that is one of Nest's. */
export async function startNestWorker(
  options: MicroserviceOptions,
  handled: (event: object) => void,
): Promise<BenchWorker> {
  @Controller()
  class BenchController {
    @MessagePattern(ECHO)
    echo(@Payload() payload: object): object {
      return payload;
    }

    @EventPattern(EVENT)
    event(@Payload() payload: object): void {
      handled(payload);
    }
  }

  @Module({ controllers: [BenchController] })
  class BenchModule {}

  const app = await NestFactory.createMicroservice<MicroserviceOptions>(BenchModule, options);
  await app.listen();
  return app;
}
