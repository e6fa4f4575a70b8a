// Runs the tests on the servers of other Debian releases, and as users of Redis who have no more rights than the guide gives.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { CommandLine, runCommand } from './command-line.js';
import { DEBIAN_SERVERS, fetchServer, type DebianServer } from './debian-servers.js';
import { failuresOf, type RunReport } from './flaky-report.js';
import { root } from './pack.js';
import { publishedUsers } from './published-users.js';
import { countsOf, isGreen, suiteTable, type SuiteRow } from './suite-table.js';

const NEWEST = DEBIAN_SERVERS.at(-1) as DebianServer;
const [least, reduced] = publishedUsers(root);

interface Environment {
  readonly name: string;
  readonly server: DebianServer;
  /** Rules of the user that the package connects as. Default: one who may do everything. */
  readonly rules?: string | undefined;
}

const ENVIRONMENTS: readonly Environment[] = [
  ...DEBIAN_SERVERS.map((server) => ({ name: server.name, server })),
  { name: 'least-rights', server: NEWEST, rules: least?.rules },
  { name: 'reduced-rights', server: NEWEST, rules: reduced?.rules },
];

const USAGE = `Usage: npm run test:servers -- [flags]

  --only NAME      one of ${ENVIRONMENTS.map(({ name }) => name).join(', ')}; may be given more than once
  --files PATTERN  only test files whose path contains it; may be given more than once`;

await runCommand(async () => {
  const { flags } = new CommandLine(
    process.argv.slice(2),
    {
      only: { type: 'string', multiple: true, default: [] },
      files: { type: 'string', multiple: true, default: [] },
    },
    USAGE,
  );
  const unknown = flags.only.find((name) => !ENVIRONMENTS.some((environment) => environment.name === name));
  if (unknown !== undefined)
    new CommandLine([], {}, USAGE).refuse(`--only ${JSON.stringify(unknown)} is not known`);
  const asked = ENVIRONMENTS.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
  const rows = asked.map((environment) => test(environment, flags.files));
  console.log(`\n${suiteTable('server', rows)}`);
  return Promise.resolve(isGreen(rows));
});

function test({ name, server, rules }: Environment, files: readonly string[]): SuiteRow {
  let folder: string;
  try {
    folder = fetchServer(server);
  } catch (error) {
    return { name, missing: (error as Error).message.replaceAll(/\s+/g, ' ') };
  }
  const version = spawnSync(join(folder, 'redis-server'), ['--version'], { encoding: 'utf8' }).stdout;
  const title = `${name} (${/v=(\S+)/.exec(version)?.[1] ?? 'unknown'})`;
  console.log(`\n${title}`);
  const reports = mkdtempSync(join(tmpdir(), 'elkmq-servers-'));
  const file = join(reports, 'report.json');
  const env = {
    ...process.env,
    PATH: [folder, process.env['PATH']].join(delimiter),
    ELKMQ_TEST_USER: rules ? `~* ${rules}` : '',
  };
  const start = performance.now();
  const args = [
    'vitest',
    'run',
    '--silent',
    '--reporter=dot',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...files,
  ];
  spawnSync('npx', args, { cwd: root, stdio: 'inherit', env });
  try {
    if (!existsSync(file)) return { name: title, passed: 0, failed: 1, skipped: 0, seconds: 0 };
    const report = JSON.parse(readFileSync(file, 'utf8')) as RunReport;
    for (const failure of failuresOf(report, root)) console.error(`${failure.test}\n  ${failure.reason}`);
    return { name: title, ...countsOf(report), seconds: (performance.now() - start) / 1_000 };
  } finally {
    rmSync(reports, { recursive: true });
  }
}
