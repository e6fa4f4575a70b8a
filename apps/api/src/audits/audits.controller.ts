import {
  BadRequestException,
  Body,
  Controller,
  DefaultValuePipe,
  HttpCode,
  ParseIntPipe,
  Post,
} from '@nestjs/common';
import { Auditor, type AuditReport } from './auditor.service.js';

@Controller('audits')
export class AuditsController {
  constructor(private readonly auditor: Auditor) {}

  /** Audits every package, or the part that the body asks for: `{ "share": 0, "shares": 2 }` is the first half. */
  @Post()
  @HttpCode(200)
  audit(
    @Body('share', new DefaultValuePipe(0), ParseIntPipe) share: number,
    @Body('shares', new DefaultValuePipe(1), ParseIntPipe) shares: number,
  ): Promise<AuditReport> {
    if (share < 0 || share >= shares) {
      throw new BadRequestException(`share must be from 0 to ${shares - 1}, got ${share}`);
    }
    return this.auditor.audit(share, shares);
  }
}
