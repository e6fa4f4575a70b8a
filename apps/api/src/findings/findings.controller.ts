import { Controller, Get } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { PACKAGE_FOUND, type Finding } from '../contract.js';
import { COLLECTED } from '../transports.js';
import { Findings, type CollectedFinding } from './findings.service.js';

@Controller('findings')
export class FindingsController {
  constructor(private readonly findings: Findings) {}

  @EventPattern(PACKAGE_FOUND, COLLECTED)
  collect(@Payload() finding: Finding): void {
    this.findings.add(finding);
  }

  @Get()
  list(): CollectedFinding[] {
    return this.findings.all();
  }
}
