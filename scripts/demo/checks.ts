export interface Check {
  readonly what: string;
  /** None: it holds. */
  readonly problems: readonly string[];
}

const SHOWN_PROBLEMS = 3;

/** @returns whether all of them hold */
export function printChecks(checks: readonly Check[]): boolean {
  for (const { what, problems } of checks) {
    console.log(`   ${problems.length === 0 ? 'yes' : 'NO '}  ${what}`);
    for (const problem of problems.slice(0, SHOWN_PROBLEMS)) console.log(`        ${problem}`);
    if (problems.length > SHOWN_PROBLEMS)
      console.log(`        … and ${problems.length - SHOWN_PROBLEMS} more`);
  }
  const failed = checks.filter(({ problems }) => problems.length > 0).length;
  console.log(failed === 0 ? '\nEverything adds up.' : `\n${failed} of ${checks.length} checks failed.`);
  return failed === 0;
}
