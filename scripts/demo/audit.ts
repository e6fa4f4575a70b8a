import { setTimeout as delay } from 'node:timers/promises';
import {
  getFindings,
  getTotal,
  inspect,
  postAudit,
  type AuditReport,
  type CollectedFinding,
  type Inspection,
  type Total,
} from './api.js';
import type { Fleet } from './fleet.js';
import { withProgress } from './progress.js';

/** How long the last findings may be under way. */
const COLLECT_MS = 5_000;

export interface AuditResult {
  readonly seconds: number;
  /** By the name of the API process. */
  readonly reports: ReadonlyMap<string, AuditReport>;
  /** By the name of the API process that collected them, whichever of them sent them. */
  readonly findings: ReadonlyMap<string, readonly CollectedFinding[]>;
  /** By the name of the API process, of the second subscription. */
  readonly totals: ReadonlyMap<string, Total>;
  /** The answer to a request for a folder that is none of the workers' business. */
  readonly forbidden: Inspection;
}

/** Has each API process audit its share of the packages, all at the same time. */
export async function runAudit(fleet: Fleet, packages: number): Promise<AuditResult> {
  const { apis } = fleet;
  const startedAt = performance.now();
  const audits = apis.map(async ({ name, url }, share) => {
    return [name, await postAudit(url, share, apis.length)] as const;
  });
  const reports = new Map(await withProgress(Promise.all(audits), packages, () => fleet.inspected));
  const seconds = (performance.now() - startedAt) / 1000;

  const [api] = apis;
  const forbidden = await inspect(api?.url ?? '', 'node_modules/../..');
  const announced = [...reports.values()].reduce((sum, { replies }) => sum + replies, 0);
  const findings = await collectedFindings(fleet, announced);
  return { seconds, reports, findings, totals: await addedTotals(fleet, announced), forbidden };
}

/** Findings are events: when the audits are done, the last of them may not have been handled yet. */
async function collectedFindings({ apis }: Fleet, announced: number): Promise<AuditResult['findings']> {
  const deadline = performance.now() + COLLECT_MS;
  for (;;) {
    const findings = new Map(
      await Promise.all(apis.map(async ({ name, url }) => [name, await getFindings(url)] as const)),
    );
    const collected = [...findings.values()].flat().reduce((sum, finding) => sum + finding.collected, 0);
    if (collected >= announced || performance.now() > deadline) return findings;
    await delay(50);
  }
}

/** The same events, as the other subscription has added them up. */
async function addedTotals({ apis }: Fleet, announced: number): Promise<AuditResult['totals']> {
  const deadline = performance.now() + COLLECT_MS;
  for (;;) {
    const totals = new Map(
      await Promise.all(apis.map(async ({ name, url }) => [name, await getTotal(url)] as const)),
    );
    const packages = [...totals.values()].reduce((sum, total) => sum + total.packages, 0);
    if (packages >= announced || performance.now() > deadline) return totals;
    await delay(50);
  }
}
