import type { AuditResult } from './audit.js';
import type { Check } from './checks.js';
import type { Fleet } from './fleet.js';
import type { LockedPackages } from './lock-file.js';

/** What must hold after the audit and after all its processes have ended. */
export function auditChecks(packages: LockedPackages, fleet: Fleet, audit: AuditResult): Check[] {
  return [
    { what: 'Every process ran to the end and closed cleanly', problems: fleet.problems },
    { what: 'Every package that this platform needs is installed', problems: packages.missing },
    { what: 'Every request has got its reply', problems: replyProblems(packages, audit) },
    { what: 'Every package was handled once, by one worker', problems: handlingProblems(packages, fleet) },
    {
      what: 'Every finding was collected once, is by the worker that handled it, and has the version of the lock file',
      problems: findingProblems(packages, fleet, audit),
    },
    { what: 'Both subscriptions of the findings have had each of them once', problems: totalProblems(audit) },
    { what: 'A folder outside node_modules was refused', problems: refusalProblems(audit) },
  ];
}

function replyProblems({ installed }: LockedPackages, { reports }: AuditResult): string[] {
  const all = [...reports.values()];
  const requests = all.reduce((sum, report) => sum + report.requests, 0);
  const replies = all.reduce((sum, report) => sum + report.replies, 0);
  const problems = all.flatMap(({ failures }) => failures.map(({ path, reason }) => `${path}: ${reason}`));
  if (requests !== installed.size || replies !== requests) {
    problems.unshift(`${installed.size} packages, ${requests} requests, ${replies} replies`);
  }
  return problems;
}

/** By what the workers told this process themselves when they were given a package. */
function handlingProblems({ installed }: LockedPackages, { workers }: Fleet): string[] {
  const handlers = new Map<string, string[]>([...installed.keys()].map((path) => [path, []]));
  for (const { name, inspected } of workers) {
    for (const path of inspected) handlers.set(path, [...(handlers.get(path) ?? []), name]);
  }
  return [...handlers]
    .filter(([path, names]) => names.length !== 1 || !installed.has(path))
    .map(([path, names]) => `${path} was handled by ${names.join(' and ') || 'none'}`);
}

function findingProblems(
  { installed }: LockedPackages,
  { workers }: Fleet,
  { findings }: AuditResult,
): string[] {
  const collected = new Map<string, number>();
  const problems: string[] = [];
  for (const finding of [...findings.values()].flat()) {
    const { path, version, worker } = finding;
    collected.set(path, (collected.get(path) ?? 0) + finding.collected);
    const locked = installed.get(path);
    if (version !== locked)
      problems.push(`${path} is ${version}, the lock file has ${locked ?? 'no such package'}`);
    const handler = workers.find(({ inspected }) => inspected.includes(path))?.name;
    if (worker !== handler)
      problems.push(`${path} was answered by ${worker} and handled by ${handler ?? 'none'}`);
  }
  for (const path of installed.keys()) {
    const times = collected.get(path) ?? 0;
    if (times !== 1) problems.push(`${path} was collected ${times} times`);
  }
  return problems;
}

function totalProblems({ findings, totals }: AuditResult): string[] {
  const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, each) => sum + each, 0);
  const collected = [...findings.values()].flat();
  const added = [...totals.values()];
  const packages = [
    sumOf(collected.map((finding) => finding.collected)),
    sumOf(added.map((total) => total.packages)),
  ];
  const bytes = [
    sumOf(collected.map((finding) => finding.bytes * finding.collected)),
    sumOf(added.map((total) => total.bytes)),
  ];
  return [packages, bytes]
    .filter(([one, other]) => one !== other)
    .map(([one, other]) => `${one} were collected, ${other} were added up`);
}

function refusalProblems({ forbidden: { status, message } }: AuditResult): string[] {
  return status === 400 ? [] : [`The answer was ${status}: ${message ?? 'a finding'}`];
}
