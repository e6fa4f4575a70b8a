// A worker with a short lease whose batch handler never ends, so that it can be killed in the middle of a batch.
import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Payload } from '@nestjs/microservices';
import { ElkMqBatch, ElkMqEventPattern, ElkMqServer } from 'nestjs-elkmq';
import { endWithParent, tellParent } from './parent.js';

const [url = '', queue = ''] = process.argv.slice(2);

@Controller()
class ItemsController {
  @ElkMqEventPattern('item')
  @ElkMqBatch({ size: 3, wait: 60_000 })
  items(@Payload() items: number[]): Promise<void> {
    tellParent({ taken: items });
    return new Promise(() => undefined);
  }
}

@Module({ controllers: [ItemsController] })
class WorkerModule {}

Logger.overrideLogger(['error']);
const strategy = new ElkMqServer({ url, queue, lease: 1_000, delivery: 'at-least-once' });
const app = await NestFactory.createMicroservice(WorkerModule, { strategy });
await app.listen();
tellParent({ ready: true });
endWithParent(() => Promise.resolve());
