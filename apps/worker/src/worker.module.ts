import { Module } from '@nestjs/common';
import { PackageInspector } from './package-inspector.service.js';
import { PackagesController } from './packages.controller.js';

@Module({ controllers: [PackagesController], providers: [PackageInspector] })
export class WorkerModule {}
