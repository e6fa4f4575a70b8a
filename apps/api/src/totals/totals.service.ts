import { Injectable } from '@nestjs/common';
import type { Finding } from '../contract.js';

export interface Total {
  readonly packages: number;
  readonly bytes: number;
}

/** What this process has added up. Other API processes that share the subscription have the rest. */
@Injectable()
export class Totals {
  private packages = 0;
  private bytes = 0;

  add({ bytes }: Finding): void {
    this.packages++;
    this.bytes += bytes;
  }

  get(): Total {
    return { packages: this.packages, bytes: this.bytes };
  }
}
