import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { ElkMqContext, ElkMqServer } from 'nestjs-elkmq';
import { LedgerWriter } from '../faults/ledger.js';
import { DRAIN_TIMEOUT, LEASE, type Message } from '../faults/load.js';
import { processArguments, tellParent } from '../faults/process-arguments.js';
import { PATTERN, serviceOf } from './roles.js';

/** A worker process of one service: its handler writes into the ledger. */

const { queue: topic, url, folder, life, delivery } = processArguments();
const subscription = serviceOf(life.slot);
const ledger = new LedgerWriter(folder, life);
let stall = 0;
process.on('message', (command: { stall: number }) => {
  stall = command.stall;
});

@Controller()
class ServiceController {
  @EventPattern<string>(PATTERN)
  async event(@Payload() { number }: Message, @Ctx() context: ElkMqContext): Promise<void> {
    ledger.write('started', number, context.getAttempt());
    const end = performance.now() + stall;
    stall = 0;
    while (performance.now() < end);
    await Promise.resolve();
    if (subscription === 'failing') {
      ledger.write('failed', number);
      throw new Error('as it should');
    }
    ledger.write('finished', number);
  }
}

@Module({ controllers: [ServiceController] })
class ServiceModule {}

Logger.overrideLogger(['warn', 'fatal']);
const app = await NestFactory.createMicroservice(ServiceModule, {
  strategy: new ElkMqServer({
    topic,
    subscription,
    url,
    delivery,
    lease: LEASE,
    drainTimeout: DRAIN_TIMEOUT,
    // Every letter counts.
    deadLetters: { max: 1e9 },
  }),
});
app.enableShutdownHooks();
await app.listen();
tellParent('ready');
