import { Module } from '@nestjs/common';
import { ElkMqModule } from 'nestjs-elkmq';
import { config } from '../config.js';
import { PackagesModule } from '../packages/packages.module.js';
import { Auditor, FINDINGS } from './auditor.service.js';
import { AuditsController } from './audits.controller.js';

@Module({
  imports: [
    PackagesModule,
    ElkMqModule.register([{ name: FINDINGS, topic: config.findingsTopic, url: config.redisUrl }]),
  ],
  controllers: [AuditsController],
  providers: [Auditor],
})
export class AuditsModule {}
