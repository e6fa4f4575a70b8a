// The worker that hostile entries are written for: a Nest application, which tells its parent what it was given.
import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ElkMqServer, type ElkMqContext } from 'nestjs-elkmq';
import { endWithParent, tellParent } from '../../bench/parent.js';
import { HANDLERS } from './kind.js';
import { heapAfterGc, isPolluted } from './process-state.js';

export interface WorkerReport {
  /** Good events that were handled, and how many of them more than once. */
  readonly events: number;
  readonly twice: number;
  readonly isPolluted: boolean;
  readonly heapMiB: number;
  readonly rssMiB: number;
  /** What Node has warned of. */
  readonly warnings: readonly string[];
}

const [url = '', queue = '', letters = ''] = process.argv.slice(2);
const events = new Set<number>();
const warnings = new Set<string>();
let twice = 0;

/** All that a handler can ask of its message. */
function look(context: ElkMqContext): void {
  context.getHeaders();
  context.getMetadata();
  context.getDeadline();
  context.getTimestamp();
  context.signal.addEventListener('abort', () => undefined);
}

/** Nest's type otherwise accepts no second parameter that has one. */
function onEvent(pattern: string, extras = {}): MethodDecorator {
  return EventPattern(pattern, extras) as MethodDecorator;
}

@Controller()
class HostileController {
  @MessagePattern('ask')
  ask({ id }: { id: number }): object {
    return { id };
  }

  @EventPattern('note')
  note({ id }: { id: number }): void {
    if (events.has(id)) twice++;
    events.add(id);
  }

  @MessagePattern(HANDLERS.request)
  echo(@Payload() payload: unknown, @Ctx() context: ElkMqContext): unknown {
    look(context);
    return payload;
  }

  @onEvent(HANDLERS.event)
  sink(@Payload() _payload: unknown, @Ctx() context: ElkMqContext): void {
    look(context);
  }

  @onEvent(HANDLERS.failsFirst, { retry: { attempts: 2, backoff: 1 } })
  failsFirst(@Payload() _payload: unknown, @Ctx() context: ElkMqContext): void {
    look(context);
    if (context.getAttempt() === 1) throw new Error('the first time');
  }
}

@Module({ controllers: [HostileController] })
class HostileModule {}

// Every dead letter is a line in the log.
Logger.overrideLogger(false);
process.on('warning', ({ name, message }) => warnings.add(`${name}: ${message}`));
const strategy = new ElkMqServer({ url, queue, deadLetters: { max: Number(letters) } });
const app = await NestFactory.createMicroservice(HostileModule, { strategy });
endWithParent(() => app.close());
await app.listen();
process.on('message', () => {
  const report: WorkerReport = {
    events: events.size,
    twice,
    isPolluted: isPolluted(),
    heapMiB: heapAfterGc() / 2 ** 20,
    rssMiB: process.memoryUsage.rss() / 2 ** 20,
    warnings: [...warnings],
  };
  tellParent(report);
});
tellParent('ready');
