import { Module } from '@nestjs/common';
import { TotalsController } from './totals.controller.js';
import { Totals } from './totals.service.js';

@Module({ controllers: [TotalsController], providers: [Totals] })
export class TotalsModule {}
