import { Module } from '@nestjs/common';
import { ElkMqModule } from 'nestjs-elkmq';
import { config } from '../config.js';
import { Inspector, PACKAGES } from './inspector.service.js';
import { LockFile } from './lock-file.service.js';
import { PackagesController } from './packages.controller.js';

const REQUEST_TIMEOUT_MS = 10_000;

@Module({
  imports: [
    ElkMqModule.register([
      {
        name: PACKAGES,
        queue: config.packagesQueue,
        url: config.redisUrl,
        timeout: REQUEST_TIMEOUT_MS,
        legacyConsumers: config.legacyConsumers,
      },
    ]),
  ],
  controllers: [PackagesController],
  providers: [Inspector, LockFile],
  exports: [Inspector, LockFile],
})
export class PackagesModule {}
