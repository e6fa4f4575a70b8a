import { Module } from '@nestjs/common';
import { FindingsController } from './findings.controller.js';
import { Findings } from './findings.service.js';

@Module({ controllers: [FindingsController], providers: [Findings] })
export class FindingsModule {}
