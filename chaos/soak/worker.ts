// A worker of the soak: a Nest application that answers requests and takes events, until it is killed.
import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { ElkMqServer } from 'nestjs-elkmq';
import { endWithParent, tellParent } from '../../bench/parent.js';
import { heapAfterGc } from '../hostile/process-state.js';
import { LEASE, QUEUE, type Answer } from './commands.js';

@Controller()
class SoakController {
  @MessagePattern('ask')
  ask(data: object): object {
    return data;
  }

  @EventPattern('note')
  note(data: object): object {
    return data;
  }
}

@Module({ controllers: [SoakController] })
class SoakModule {}

const [url = ''] = process.argv.slice(2);
Logger.overrideLogger(['warn', 'error']);
const strategy = new ElkMqServer({ url, queue: QUEUE, lease: LEASE, delivery: 'at-least-once' });
const app = await NestFactory.createMicroservice(SoakModule, { strategy });
endWithParent(() => app.close());
await app.listen();
process.on('message', () => {
  const answer: Answer = { heapBytes: heapAfterGc(), requests: 0, answered: 0, skipped: 0, problems: [] };
  tellParent(answer);
});
tellParent('ready');
