// A Nest application beside original consumers: takes messages, and tells its parent what it was given.
import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { ElkMqServer } from 'nestjs-elkmq';
import { endWithParent, tellParent } from './parent.js';

export interface Taken {
  /** Payloads, as handlers get them; null for none. */
  readonly requests: unknown[];
  readonly events: unknown[];
}

const [url = '', queue = '', mode = ''] = process.argv.slice(2);
const taken: Taken = { requests: [], events: [] };

@Controller()
class InteropController {
  @MessagePattern('ask')
  ask(data: object): object {
    taken.requests.push(data);
    return data;
  }

  @EventPattern('note')
  note(data: unknown): void {
    taken.events.push(data ?? null);
  }
}

@Module({ controllers: [InteropController] })
class InteropModule {}

Logger.overrideLogger(['warn', 'error']);
const app = await NestFactory.createMicroservice(InteropModule, {
  strategy: new ElkMqServer({ url, queue, legacyConsumers: mode === 'legacy' }),
});
await app.listen();
process.on('message', () => {
  // The worker finishes its messages, and takes no more.
  void app.close().then(() => {
    tellParent(taken);
  });
});
endWithParent(() => app.close());
tellParent({ ready: true });
