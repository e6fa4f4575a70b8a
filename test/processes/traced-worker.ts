// A worker whose spans go to a file.
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { trace } from '@opentelemetry/api';
import { ElkMqServer } from 'nestjs-elkmq';
import { ElkMqOpenTelemetry } from 'nestjs-elkmq/opentelemetry';
import { exportTo, startTelemetry } from '../support/spans.js';
import { endWithParent, tellParent } from './parent.js';

const [url = '', queue = '', file = ''] = process.argv.slice(2);
startTelemetry(exportTo(file));

@Controller()
class Doubler {
  @MessagePattern('double')
  async double(@Payload() number: number): Promise<number> {
    return trace.getTracer('application').startActiveSpan('look up', async (span) => {
      await Promise.resolve();
      span.end();
      return 2 * number;
    });
  }
}

@Module({ controllers: [Doubler] })
class WorkerModule {}

const strategy = new ElkMqServer({ queue, url, telemetry: new ElkMqOpenTelemetry() });
const app = await NestFactory.createMicroservice(WorkerModule, { strategy, logger: false });
await app.listen();
endWithParent(() => app.close());
tellParent({ ready: true });
