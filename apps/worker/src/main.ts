import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { ElkMqServer } from 'nestjs-elkmq';
import { config } from './config.js';
import { endWithParent, tellParent } from './parent.js';
import { WorkerModule } from './worker.module.js';

/** So few that a burst of requests is shared among the workers. */
const CONCURRENCY = 8;

endWithParent();
const app = await NestFactory.createMicroservice<MicroserviceOptions>(WorkerModule, {
  strategy: new ElkMqServer({
    queue: config.packagesQueue,
    url: config.redisUrl,
    concurrency: CONCURRENCY,
    legacyConsumers: config.legacyConsumers,
  }),
  logger: config.logLevels,
});
app.enableShutdownHooks(undefined, { useProcessExit: true });
await app.listen();
new Logger('Worker').log(`${config.workerName} takes requests from queue '${config.packagesQueue}'`);
tellParent({ ready: true });
