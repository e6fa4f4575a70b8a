// Checks the package as it would be published: what is in it, what publint and attw say, and whether an application that
// has nothing but it and its required peers compiles, its dependencies' types included, and works; and whether the tests
// of a project of Nest 11 pass in Jest, set up as the guide says.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dependenciesOn, pack, PACKAGES, root, type Tarballs } from './pack.js';
import { startRedis } from './redis.js';

/** What is used here of a package.json. */
interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly jest: object;
}

const folder = mkdtempSync(join(tmpdir(), 'elkmq-package-'));
const redis = await startRedis();
try {
  const tarballs = pack(folder);
  for (const name of PACKAGES) check(name, tarballs[name]);
  console.log(fresh(tarballs));
  withoutNest(tarballs.elkmq);
  console.log(consoleWithoutNest(tarballs));
  inJest(tarballs);
} finally {
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
}

function check(name: string, tarball: string): void {
  const files = run(folder, 'tar', '-tzf', tarball).split('\n');
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts']) {
    if (!files.includes(`package/${file}`)) throw new Error(`${file} is not in the package ${name}`);
  }
  console.log(run(root, 'npx', 'publint', '--strict', tarball));
  // Every Node that is supported can require ES modules; docs/decisions.md has why there are no others.
  console.log(
    run(root, 'npx', 'attw', tarball, '--format', 'ascii', '--ignore-rules', 'cjs-resolves-to-esm'),
  );
}

/** @returns what the application has written */
function fresh(tarballs: Tarballs): string {
  const app = join(folder, 'app');
  mkdirSync(app);
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  const needed = ['common', 'core', 'microservices', 'platform-express'].map((part) => `@nestjs/${part}`);
  const names = [...needed, 'ioredis', 'reflect-metadata', 'rxjs', 'typescript', '@types/node'];
  const dependencies = {
    ...Object.fromEntries(names.map((name) => [name, devDependencies[name]])),
    ...dependenciesOn(tarballs),
  };
  writeFileSync(join(app, 'package.json'), JSON.stringify({ private: true, type: 'commonjs', dependencies }));
  cpSync(join(root, 'test/commonjs-app/src'), join(app, 'src'), { recursive: true });
  run(app, 'npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefer-offline');
  const options = '--rootDir src --outDir dist --module nodenext --target es2023 --strict --types node';
  const decorators = '--experimentalDecorators --emitDecoratorMetadata';
  run(app, 'npx', 'tsc', 'src/main.ts', ...options.split(' '), ...decorators.split(' '));
  const written = run(app, process.execPath, 'dist/main.js');
  if (!written.startsWith('Hello CommonJS!')) throw new Error(`the application has written ${written}`);
  return written;
}

/** Sends and takes an event in a program that has installed `elkmq` and ioredis, and nothing else. */
function withoutNest(tarball: string): void {
  const program = join(folder, 'without-nest');
  mkdirSync(program);
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  const dependencies = { elkmq: `file:${tarball}`, ioredis: devDependencies['ioredis'] };
  writeFileSync(
    join(program, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies }),
  );
  writeFileSync(
    join(program, 'main.js'),
    `import { EventQueue, ServiceEvent } from 'elkmq';
const queue = new EventQueue('without-nest', process.env.REDIS_URL);
await queue.enqueue(new ServiceEvent(60, 'hello', 'nobody else'));
const [, event] = await queue.dequeue();
console.log(event.payload);
await queue.close();
`,
  );
  run(program, 'npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefer-offline');
  const written = run(program, process.execPath, 'main.js');
  if (written !== 'nobody else\n') throw new Error(`the program without Nest has written ${written}`);
}

/** Serves the console in a program that has installed it and ioredis, and nothing else. @returns what it has written */
function consoleWithoutNest({ elkmq, 'elkmq-console': tarball }: Tarballs): string {
  const program = join(folder, 'console');
  mkdirSync(program);
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  const dependencies = {
    elkmq: `file:${elkmq}`,
    'elkmq-console': `file:${tarball}`,
    ioredis: devDependencies['ioredis'],
  };
  writeFileSync(
    join(program, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies }),
  );
  writeFileSync(
    join(program, 'main.js'),
    `import { createServer } from 'node:http';
import { ElkMqConsole } from 'elkmq-console';
const elkmq = new ElkMqConsole({ redis: process.env.REDIS_URL });
const server = createServer(elkmq.handle).listen(0, '127.0.0.1', async () => {
  const address = 'http://127.0.0.1:' + server.address().port;
  const [page, queues] = [await fetch(address), await fetch(address + '/api/queues')];
  console.log('console:', page.status, /<title>(.*?)</.exec(await page.text())[1], queues.status);
  server.close();
  server.closeAllConnections();
  await elkmq.close();
});
`,
  );
  run(program, 'npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefer-offline');
  const help = run(program, 'npx', 'elkmq-console', '--help');
  if (!help.startsWith('Usage: elkmq-console')) throw new Error(`elkmq-console --help has written ${help}`);
  const written = run(program, process.execPath, 'main.js');
  if (written !== 'console: 200 ElkMQ 200\n') throw new Error(`the console has written ${written}`);
  return written;
}

/** Runs the tests of a project that `nest new` of Nest 11 has made. */
function inJest(tarballs: Tarballs): void {
  const project = join(folder, 'jest');
  cpSync(join(root, 'test/jest-project'), project, { recursive: true });
  const guide = readFileSync(join(root, 'docs/guides/testing.md'), 'utf8');
  const told = JSON.parse(String(/^```json\n(.+?)^```$/ms.exec(guide)?.[1])) as Manifest;
  const made = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Manifest;
  const dependencies = { ...made.dependencies, ...dependenciesOn(tarballs) };
  const manifest = { ...made, dependencies, jest: { ...made.jest, ...told.jest } };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
  run(project, 'npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefer-offline');
  run(project, 'npx', 'jest', '--ci');
}

function run(cwd: string, command: string, ...args: string[]): string {
  const env = { ...process.env, REDIS_URL: redis.url, QUEUE: 'fresh', NODE_NO_WARNINGS: '1' };
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}
