import { Module } from '@nestjs/common';
import { AuditsModule } from './audits/audits.module.js';
import { FindingsModule } from './findings/findings.module.js';
import { TotalsModule } from './totals/totals.module.js';
import { PackagesModule } from './packages/packages.module.js';

@Module({ imports: [PackagesModule, AuditsModule, FindingsModule, TotalsModule] })
export class ApiModule {}
