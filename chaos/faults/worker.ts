import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { ElkMqContext, ElkMqServer } from 'nestjs-elkmq';
import { setTimeout as sleep } from 'node:timers/promises';
import { concatMap, finalize, from, range, type Observable } from 'rxjs';
import { LedgerWriter } from './ledger.js';
import {
  answerTo,
  DRAIN_TIMEOUT,
  LEASE,
  Load,
  MAX_ATTEMPTS,
  MEANT_ERROR,
  VALUES,
  type Message,
} from './load.js';
import { addressOf, processArguments, tellParent } from './process-arguments.js';

/** A worker process: a Nest microservice whose handlers write into the ledger. */

const given = processArguments();
const { queue, folder, life, delivery } = given;
const load = Load.of(given);
const ledger = new LedgerWriter(folder, life);
let stall = 0;
process.on('message', (command: { stall: number }) => {
  stall = command.stall;
});

/** A lease is renewed at a third of it. A process that stands still for longer than this may lose it. */
const STANDSTILL_MS = LEASE / 2;
let turnedAt = Date.now();
setInterval(() => {
  const from = turnedAt;
  turnedAt = Date.now();
  if (turnedAt - from > STANDSTILL_MS) tellParent({ from, until: turnedAt });
}, 50).unref();

@Controller()
class ChaosController {
  @EventPattern<string[]>([
    'event',
    'event that is delayed',
    'event that takes long',
    'event that is sent twice',
  ])
  async event(@Payload() message: Message, @Ctx() context: ElkMqContext): Promise<void> {
    await handle(message, context);
  }

  @EventPattern<string>('event that is retried', {
    retry: { attempts: MAX_ATTEMPTS, backoff: 50 },
  })
  async retried(@Payload() message: Message, @Ctx() context: ElkMqContext): Promise<void> {
    if (context.getAttempt() > 1) await handle(message, context);
    else return fail(message, context);
  }

  @EventPattern<string>('event that fails')
  async failingEvent(@Payload() message: Message, @Ctx() context: ElkMqContext): Promise<void> {
    await fail(message, context);
  }

  @MessagePattern('request that fails')
  async failingRequest(@Payload() message: Message, @Ctx() context: ElkMqContext): Promise<void> {
    await fail(message, context);
  }

  @MessagePattern([
    'request',
    'request that is impatient',
    'request that is taken back',
    'request that is sent twice',
  ])
  async request(@Payload() message: Message, @Ctx() context: ElkMqContext): Promise<string> {
    await handle(message, context);
    return answerTo(message.number);
  }

  @MessagePattern('request with many values')
  values(@Payload() message: Message, @Ctx() context: ElkMqContext): Observable<number> {
    begin(message, context);
    const pause = load.durationOf(message.number);
    return range(0, VALUES).pipe(
      concatMap((value) => (pause > 0 ? from(sleep(pause, value)) : [value])),
      finalize(() => {
        ledger.write('finished', message.number);
      }),
    );
  }
}

function begin({ number }: Message, context: ElkMqContext): void {
  ledger.write('started', number, `${context.getAttempt()} ${context.getOrderingToken() ?? ''}`);
  if (stall === 0) return;
  const end = performance.now() + stall;
  stall = 0;
  while (performance.now() < end);
}

async function handle(message: Message, context: ElkMqContext): Promise<void> {
  begin(message, context);
  const pause = load.durationOf(message.number);
  if (pause > 0) await sleep(pause);
  ledger.write('finished', message.number);
}

async function fail(message: Message, context: ElkMqContext): Promise<never> {
  begin(message, context);
  await sleep(1);
  ledger.write('failed', message.number);
  throw new RpcException(MEANT_ERROR);
}

@Module({ controllers: [ChaosController] })
class ChaosModule {}

Logger.overrideLogger(['warn', 'error', 'fatal']);
const app = await NestFactory.createMicroservice(ChaosModule, {
  strategy: new ElkMqServer({
    queue,
    ...addressOf(given),
    delivery,
    lease: LEASE,
    drainTimeout: DRAIN_TIMEOUT,
    // Every letter counts.
    deadLetters: { max: 1e9 },
  }),
});
app.enableShutdownHooks();
// Redis may be away for longer than a start waits. The run starts another process.
await app.listen().catch((error: unknown) => {
  console.error(error);
  process.exit(0);
});
tellParent('ready');
