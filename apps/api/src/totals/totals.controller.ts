import { Controller, Get } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { PACKAGE_FOUND, type Finding } from '../contract.js';
import { TOTALS } from '../transports.js';
import { Totals, type Total } from './totals.service.js';

@Controller('totals')
export class TotalsController {
  constructor(private readonly totals: Totals) {}

  @EventPattern(PACKAGE_FOUND, TOTALS)
  add(@Payload() finding: Finding): void {
    this.totals.add(finding);
  }

  @Get()
  get(): Total {
    return this.totals.get();
  }
}
