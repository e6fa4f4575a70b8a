// A Nest application that takes the messages of a queue, and tells its parent what it was given.
import { Controller, Logger, Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { ElkMqServer } from 'nestjs-elkmq';
import { once } from 'node:events';
import { endWithParent, tellParent } from './parent.js';

export interface Handled {
  requests: number[];
  events: number[];
}

const [url = '', queue = ''] = process.argv.slice(2);
const handled: Handled = { requests: [], events: [] };

@Controller()
class WorkerController implements OnModuleDestroy {
  @MessagePattern('ask')
  ask({ id }: { id: number }): object {
    handled.requests.push(id);
    return { id, worker: process.pid };
  }

  @EventPattern('note')
  note({ id }: { id: number }): void {
    handled.events.push(id);
  }

  /** Answers what the parent says when it says it. */
  @MessagePattern('wait')
  async wait(): Promise<unknown> {
    tellParent({ waiting: true });
    const [answer] = (await once(process, 'message')) as [unknown];
    return answer;
  }

  onModuleDestroy(): void {
    tellParent({ closing: true });
  }
}

@Module({ controllers: [WorkerController] })
class WorkerModule {}

// Its Redis keeps nothing on disk, which is worth a warning.
Logger.overrideLogger(['error']);
const app = await NestFactory.createMicroservice(WorkerModule, { strategy: new ElkMqServer({ url, queue }) });
app.enableShutdownHooks();
await app.listen();
process.on('message', (message) => {
  if (message === 'report') tellParent(handled);
});
endWithParent(() => app.close());
tellParent({ ready: true });
