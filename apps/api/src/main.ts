import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { ElkMqServer } from 'nestjs-elkmq';
import { ApiModule } from './api.module.js';
import { config } from './config.js';
import { endWithParent, tellParent } from './parent.js';
import { COLLECTED, TOTALS } from './transports.js';

endWithParent();
const app = await NestFactory.create(ApiModule, { logger: config.logLevels });
// Two services in one process: each gets every finding.
for (const [subscription, transportId] of [
  ['collected', COLLECTED],
  ['totals', TOTALS],
] as const) {
  app.connectMicroservice<MicroserviceOptions>({
    strategy: new ElkMqServer({
      topic: config.findingsTopic,
      subscription,
      transportId,
      url: config.redisUrl,
    }),
  });
}
app.enableShutdownHooks(undefined, { useProcessExit: true });
await app.startAllMicroservices();
// It tells about files on this machine, so it listens to this machine only.
await app.listen(config.port, '127.0.0.1');
const url = await app.getUrl();
new Logger('Api').log(`${url}/packages, ${url}/packages/inspect?path=node_modules/rxjs, ${url}/findings`);
tellParent({ ready: true, url });
