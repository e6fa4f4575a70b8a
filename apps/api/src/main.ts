import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { ElkMqServer } from 'nestjs-elkmq';
import { ApiModule } from './api.module.js';
import { config } from './config.js';
import { endWithParent, tellParent } from './parent.js';

endWithParent();
const app = await NestFactory.create(ApiModule, { logger: config.logLevels });
app.connectMicroservice<MicroserviceOptions>({
  strategy: new ElkMqServer({ queue: config.findingsQueue, url: config.redisUrl }),
});
app.enableShutdownHooks(undefined, { useProcessExit: true });
await app.startAllMicroservices();
// It tells about files on this machine, so it listens to this machine only.
await app.listen(config.port, '127.0.0.1');
const url = await app.getUrl();
new Logger('Api').log(`${url}/packages, ${url}/packages/inspect?path=node_modules/rxjs, ${url}/findings`);
tellParent({ ready: true, url });
