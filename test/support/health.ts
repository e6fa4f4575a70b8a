import { NestFactory } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { ElkMqHealthIndicator, type ElkMqHealthLimits, type ElkMqHealthSource } from 'nestjs-elkmq/terminus';
import { moduleOf } from './nest.js';
import { closing } from './queue.js';

/** What the health indicator says of a queue. */
export async function healthOf(queue: ElkMqHealthSource, limits?: ElkMqHealthLimits): Promise<unknown> {
  const module = { ...moduleOf(), imports: [TerminusModule], providers: [ElkMqHealthIndicator] };
  const app = closing(await NestFactory.createApplicationContext(module));
  return (await app.get(ElkMqHealthIndicator).check('orders', queue, limits)).orders;
}
