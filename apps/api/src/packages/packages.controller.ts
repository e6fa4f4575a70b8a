import { Controller, Get, Query } from '@nestjs/common';
import { catchError, throwError, type Observable } from 'rxjs';
import type { Finding } from '../contract.js';
import { toHttpException } from './inspection-error.js';
import { Inspector } from './inspector.service.js';
import { LockFile, type LockedPackage } from './lock-file.service.js';

@Controller('packages')
export class PackagesController {
  constructor(
    private readonly lockFile: LockFile,
    private readonly inspector: Inspector,
  ) {}

  @Get()
  list(): Promise<LockedPackage[]> {
    return this.lockFile.packages();
  }

  /** `GET /packages/inspect?path=node_modules/rxjs` is one request through the queue. */
  @Get('inspect')
  inspect(@Query('path') path: string): Observable<Finding> {
    return this.inspector
      .inspect(path)
      .pipe(catchError((error: unknown) => throwError(() => toHttpException(error))));
  }
}
