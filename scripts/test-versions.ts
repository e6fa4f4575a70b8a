// Runs tests of the package, packed as it is published, with the versions of Nest and ioredis that are not the
// project's own, and all tests with other versions of Node. `npm run test:versions -- nest-11` runs those whose name begins
// with that.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchNode, NODE_LINES } from './node-versions.js';
import { dependenciesOn, pack, root } from './pack.js';
import { runSuite } from './run-suite.js';
import { isGreen, suiteTable, type SuiteRow } from './suite-table.js';

const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  devDependencies: Record<string, string>;
};

/** The project's own versions are what `npm test` runs with. */
const COMBINATIONS = [
  { nest: '^11.0.0', ioredis: '^5.0.0', name: 'nest-11-ioredis-5' },
  { nest: '^11.0.0', ioredis: '^6.0.0', name: 'nest-11-ioredis-6' },
  { nest: '~12.0.0', ioredis: '^6.0.0', name: 'nest-12.0-ioredis-6' },
  { nest: '^12.0.0', ioredis: '^6.0.0', name: 'nest-12-ioredis-6' },
];
const OF_NEST = ['common', 'core', 'microservices', 'platform-express', 'platform-fastify', 'testing'];
const TOOLS = [
  ...[
    '@nestjs/terminus',
    '@opentelemetry/api',
    '@opentelemetry/sdk-metrics',
    '@opentelemetry/sdk-trace-node',
  ],
  ...[
    '@types/node',
    '@types/pg',
    'croner',
    'pg',
    'prettier',
    'reflect-metadata',
    'rxjs',
    'typescript',
    'vitest',
  ],
];
const TESTS = [
  ...['nest/batches', 'nest/cron', 'nest/outbox', 'recovery/batches', 'system/outbox-postgres'],
  ...['nest/like-other-transports', 'nest/commonjs-app', 'nest/applications', 'nest/clients', 'nest/events'],
  ...['nest/hybrid-applications', 'nest/messages', 'nest/module', 'nest/requests'],
  ...['nest/serializers', 'nest/shutdown', 'nest/timeouts', 'nest/dead-letters'],
  ...['nest/wildcards', 'nest/handler-options', 'nest/health', 'nest/opentelemetry'],
  ...['queue/event-queue', 'queue/request-reply', 'queue/retries', 'queue/delays'],
  ...['queue/cancelling', 'queue/context-control', 'queue/connections', 'faults/stored-once'],
  ...['faults/handed-out-once', 'faults/redis-restart', 'system/shutdown-by-signal'],
  ...['system/trace-across-processes', 'repo/published-types', 'console/nest'],
].map((name) => `test/${name}.test.ts`);

const asked = process.argv[2] ?? '';
const names = [...COMBINATIONS.map(({ name }) => name), ...NODE_LINES.map((line) => `node-${line}`)];
if (!names.some((name) => name.startsWith(asked))) {
  console.error(
    `npm run test:versions: no name begins with ${JSON.stringify(asked)}; known: ${names.join(', ')}`,
  );
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'elkmq-versions-'));
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true });
});
const tarballs = pack(folder);
const rows: SuiteRow[] = [];
for (const combination of COMBINATIONS) {
  if (combination.name.startsWith(asked)) rows.push(testCombination(combination));
}
for (const line of NODE_LINES) {
  if (`node-${line}`.startsWith(asked)) rows.push(testNode(line));
}
console.log(`\n${suiteTable('versions', rows)}`);
process.exitCode = isGreen(rows) ? 0 : 1;

function testNode(line: number): SuiteRow {
  let programs: string;
  try {
    programs = fetchNode(line);
  } catch (error) {
    return { name: `node-${line}`, missing: (error as Error).message };
  }
  const version = execFileSync(join(programs, 'node'), ['--version'], { encoding: 'utf8' }).trim();
  return runSuite(`node-${line} (${version})`, [], { cwd: root, programs });
}

function testCombination({ nest, ioredis, name }: (typeof COMBINATIONS)[number]): SuiteRow {
  const project = join(folder, name);
  mkdirSync(project);
  const dependencies = {
    ...Object.fromEntries(OF_NEST.map((part) => [`@nestjs/${part}`, nest])),
    ...Object.fromEntries(TOOLS.map((tool) => [tool, own.devDependencies[tool]])),
    ioredis,
    ...dependenciesOn(tarballs),
  };
  write(join(project, 'package.json'), { type: 'module', private: true, dependencies });
  // Helpers of the tests know keys and scripts by name.
  for (const part of ['test', 'scripts', 'vitest.config.ts', 'tsconfig.json', 'libs/elkmq/src']) {
    cpSync(join(root, part), join(project, part), { recursive: true });
  }
  write(join(project, 'tsconfig.processes.json'), {
    extends: './tsconfig.json',
    compilerOptions: { noEmit: false, outDir: 'dist/tools', paths: {} },
    include: ['test/processes', 'test/types'],
  });

  const env = { ELKMQ_VERSIONS: '1' };
  const run = (command: string, ...args: string[]) =>
    spawnSync(command, args, { cwd: project, stdio: 'inherit', env: { ...process.env, ...env } }).status ===
    0;
  const isReady =
    run('npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefer-offline') &&
    run('npm', 'ls', '--depth=0', '@nestjs/microservices', 'ioredis', 'nestjs-elkmq') &&
    run('npx', 'tsc', '-p', 'tsconfig.processes.json');
  return isReady
    ? runSuite(name, TESTS, { cwd: project, env })
    : { name, passed: 0, failed: 1, skipped: 0, seconds: 0 };
}

function write(file: string, content: object): void {
  writeFileSync(file, JSON.stringify(content));
}
