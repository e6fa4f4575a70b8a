import type { CollectedFinding } from './api.js';
import type { AuditResult } from './audit.js';
import type { Fleet } from './fleet.js';
import { megabytes, table, whole } from './table.js';

export function describeAudit(fleet: Fleet, { seconds, reports, findings }: AuditResult): string {
  const requests = sum([...reports.values()], (report) => report.requests);
  const replies = sum([...reports.values()], (report) => report.replies);
  return [
    licenceTable([...findings.values()].flat()),
    withoutText([...findings.values()].flat()),
    workerTable(fleet, [...findings.values()].flat()),
    apiTable(fleet, { reports, findings }),
    `   ${whole(requests)} requests, ${whole(replies)} replies in ${seconds.toFixed(2)} s`,
  ].join('\n\n');
}

function licenceTable(findings: readonly CollectedFinding[]): string {
  const byLicence = [...groupBy(findings, ({ licence }) => licence)].sort(
    ([, a], [, b]) => b.length - a.length,
  );
  const row = (name: string, group: readonly CollectedFinding[]) => [
    name,
    whole(group.length),
    whole(sum(group, ({ files }) => files)),
    megabytes(sum(group, ({ bytes }) => bytes)),
    whole(group.filter(({ licenceFile }) => licenceFile === null).length),
  ];
  return table([
    ['licence', 'packages', 'files', 'size', 'without its text'],
    ...byLicence.map(([licence, group]) => row(licence, group)),
    row('all', findings),
  ]);
}

function withoutText(findings: readonly CollectedFinding[]): string {
  const names = findings.filter(({ licenceFile }) => licenceFile === null).map(({ name }) => name);
  return `   Without the text of their licence: ${[...new Set(names)].sort().join(', ') || 'none'}`;
}

function workerTable({ workers }: Fleet, findings: readonly CollectedFinding[]): string {
  const byWorker = groupBy(findings, ({ worker }) => worker);
  return table([
    ['worker', 'packages', 'share', 'size'],
    ...workers.map(({ name }) => {
      const group = byWorker.get(name) ?? [];
      const share = `${((100 * group.length) / Math.max(findings.length, 1)).toFixed(0)} %`;
      return [name, whole(group.length), share, megabytes(sum(group, ({ bytes }) => bytes))];
    }),
  ]);
}

function apiTable({ apis }: Fleet, { reports, findings }: Pick<AuditResult, 'reports' | 'findings'>): string {
  return table([
    ['API', 'requests', 'replies', 'findings collected'],
    ...apis.map(({ name }) => {
      const report = reports.get(name);
      const collected = sum(findings.get(name) ?? [], (finding) => finding.collected);
      return [name, whole(report?.requests ?? 0), whole(report?.replies ?? 0), whole(collected)];
    }),
  ]);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

function sum<T>(items: readonly T[], valueOf: (item: T) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0);
}
