import { Inject, Injectable } from '@nestjs/common';
import { ElkMqClient } from 'nestjs-elkmq';
import type { Observable } from 'rxjs';
import { INSPECT_PACKAGE, type Finding } from '../contract.js';

/** Injection token of the client of the packages queue. */
export const PACKAGES = Symbol('packages queue');

/** Has packages inspected by the workers. */
@Injectable()
export class Inspector {
  constructor(@Inject(PACKAGES) private readonly client: ElkMqClient) {}

  inspect(path: string): Observable<Finding> {
    return this.client.send<Finding>(INSPECT_PACKAGE, { path });
  }
}
