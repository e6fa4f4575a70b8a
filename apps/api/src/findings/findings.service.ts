import { Injectable } from '@nestjs/common';
import type { Finding } from '../contract.js';

export interface CollectedFinding extends Finding {
  /** How often a finding of this package came: once for each audit. */
  readonly collected: number;
}

/** What this process has collected. Other API processes that share the subscription have the rest. */
@Injectable()
export class Findings {
  private readonly byPath = new Map<string, CollectedFinding>();

  add(finding: Finding): void {
    const collected = (this.byPath.get(finding.path)?.collected ?? 0) + 1;
    this.byPath.set(finding.path, { ...finding, collected });
  }

  all(): CollectedFinding[] {
    return [...this.byPath.values()];
  }
}
