import { Inject, Injectable, ServiceUnavailableException, type OnModuleDestroy } from '@nestjs/common';
import { ElkMqClient } from 'nestjs-elkmq';
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  from,
  lastValueFrom,
  mergeMap,
  Subject,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import { PACKAGE_FOUND } from '../contract.js';
import { reasonOf } from '../packages/inspection-error.js';
import { Inspector } from '../packages/inspector.service.js';
import { LockFile } from '../packages/lock-file.service.js';

/** Injection token of the client of the findings topic. */
export const FINDINGS = Symbol('findings topic');

/** Enough to keep several workers busy, and so few that the wait in the queue stays far below a request's timeout. */
const IN_FLIGHT = 32;

export interface AuditReport {
  requests: number;
  replies: number;
  /** Packages that were not inspected, or whose finding was not announced. */
  failures: { path: string; reason: string }[];
}

/** Has the installed packages inspected, and announces every finding. */
@Injectable()
export class Auditor implements OnModuleDestroy {
  /** Fails at shutdown. What is subscribed to a client's answers by then cancels its requests. */
  private readonly shutdown = new Subject<never>();

  constructor(
    private readonly lockFile: LockFile,
    private readonly inspector: Inspector,
    @Inject(FINDINGS) private readonly findings: ElkMqClient,
  ) {}

  /**
   * @param share which part of the packages, from 0; the others are for other API processes
   * @throws {ServiceUnavailableException} when the app is shut down meanwhile
   */
  async audit(share: number, shares: number): Promise<AuditReport> {
    const installed = (await this.lockFile.packages()).filter((entry) => entry.installed);
    const mine = installed.filter((_, index) => index % shares === share);
    const report: AuditReport = { requests: 0, replies: 0, failures: [] };
    const audits = from(mine).pipe(
      mergeMap(({ path }) => this.auditOne(path, report), IN_FLIGHT),
      takeUntil(this.shutdown),
    );
    await lastValueFrom(audits, { defaultValue: undefined });
    return report;
  }

  /** Without this the app would not close before the last of the packages is audited. */
  onModuleDestroy(): void {
    this.shutdown.error(new ServiceUnavailableException('The app is shutting down'));
  }

  private auditOne(path: string, report: AuditReport): Observable<unknown> {
    return defer(() => {
      report.requests++;
      return this.inspector.inspect(path);
    }).pipe(
      tap(() => report.replies++),
      concatMap((finding) => this.findings.emit(PACKAGE_FOUND, finding)),
      catchError((error: unknown) => {
        report.failures.push({ path, reason: reasonOf(error) });
        return EMPTY;
      }),
    );
  }
}
