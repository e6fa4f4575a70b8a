import { Module } from '@nestjs/common';
import { ElkMqModule } from 'nestjs-elkmq';
import { PackageInspector } from './package-inspector.service.js';
import { PackagesController } from './packages.controller.js';

@Module({ imports: [ElkMqModule], controllers: [PackagesController], providers: [PackageInspector] })
export class WorkerModule {}
