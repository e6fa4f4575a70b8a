// Runs the tests on the servers of other Debian releases, and as users of Redis who have no more rights than the guide gives.
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { CommandLine, runCommand } from './command-line.js';
import { DEBIAN_SERVERS, fetchServer, type DebianServer } from './debian-servers.js';
import { fetchNode, NODE_LINES, type NodeLine } from './node-versions.js';
import { root } from './pack.js';
import { publishedUsers, type PublishedUser } from './published-users.js';
import { runSuite } from './run-suite.js';
import { isGreen, suiteTable, type SuiteRow } from './suite-table.js';

const NEWEST = DEBIAN_SERVERS.at(-1) as DebianServer;
const [least, reduced] = publishedUsers(root);

/** The guide adds these for other databases and for Cluster. */
const FOR_TESTS = '+select +asking +cluster|slots +cluster|info';
/** The guide adds these for replies that are pushed on Cluster. */
const FOR_PUSHES = '+spublish +ssubscribe';

interface Environment {
  readonly name: string;
  readonly server: DebianServer;
  /** The user that the package connects as. Default: one who may do everything. */
  readonly user?: PublishedUser | undefined;
}

const ENVIRONMENTS: readonly Environment[] = [
  ...DEBIAN_SERVERS.map((server) => ({ name: server.name, server })),
  { name: 'least-rights', server: NEWEST, user: least },
  { name: 'reduced-rights', server: NEWEST, user: reduced },
];

const USAGE = `Usage: npm run test:servers -- [flags]

  --only NAME      one of ${ENVIRONMENTS.map(({ name }) => name).join(', ')}; may be given more than once
  --project NAME   only tests of this project: fast, slow or repo; may be given more than once
  --files PATTERN  only test files whose path contains it; may be given more than once
  --node LINE      the line of Node, one of ${NODE_LINES.join(', ')}; default: the Node that runs this`;

await runCommand(async () => {
  const { flags } = new CommandLine(
    process.argv.slice(2),
    {
      only: { type: 'string', multiple: true, default: [] },
      project: { type: 'string', multiple: true, default: [] },
      files: { type: 'string', multiple: true, default: [] },
      node: { type: 'string' },
    },
    USAGE,
  );
  const refuse = (flag: string, value: string) =>
    new CommandLine([], {}, USAGE).refuse(`${flag} ${JSON.stringify(value)} is not known`);
  const unknown = flags.only.find((name) => !ENVIRONMENTS.some((environment) => environment.name === name));
  if (unknown !== undefined) refuse('--only', unknown);
  const node = NODE_LINES.find((line) => String(line) === flags.node);
  if (flags.node !== undefined && node === undefined) refuse('--node', flags.node);
  const asked = ENVIRONMENTS.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
  const selection = [...flags.project.map((name) => `--project=${name}`), ...flags.files];
  const rows = asked.map((environment) => test(environment, node, selection));
  console.log(`\n${suiteTable('server', rows)}`);
  return Promise.resolve(isGreen(rows));
});

/** @param selection which tests, as arguments of Vitest */
function test(
  { name, server, user }: Environment,
  node: NodeLine | undefined,
  selection: readonly string[],
): SuiteRow {
  let folder: string;
  let nodeFolders: string[];
  try {
    folder = fetchServer(server);
    nodeFolders = node === undefined ? [] : [fetchNode(node)];
  } catch (error) {
    return { name, missing: (error as Error).message.replaceAll(/\s+/g, ' ') };
  }
  const version = spawnSync(join(folder, 'redis-server'), ['--version'], { encoding: 'utf8' }).stdout;
  const onNode = node === undefined ? '' : `, node-${String(node)}`;
  const title = `${name} (${/v=(\S+)/.exec(version)?.[1] ?? 'unknown'})${onNode}`;
  const [channels, more] = user?.channels ? ['&* ', ` ${FOR_PUSHES}`] : ['', ''];
  const env = {
    ELKMQ_TEST_USER: user === undefined ? '' : `~* ${channels}${user.rules} ${FOR_TESTS}${more}`,
  };
  const programs = [folder, ...nodeFolders].join(delimiter);
  return runSuite(title, selection, { cwd: root, programs, env });
}
