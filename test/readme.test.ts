import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { basename, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import ts from 'typescript';
import { expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../scripts/redis.js';
import { until } from './support/queue.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The examples of the README and of the guides, as a user would have them: compiled with the project's settings, in a folder of their own. */
async function compileExamples(): Promise<string> {
  // Below the root, so that they find the packages.
  const folder = join(root, 'dist', `readme-${randomUUID()}`);
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  const guides = (await readdir(join(root, 'docs/guides'))).map((guide) => `docs/guides/${guide}`);
  for (const document of ['README.md', ...guides]) {
    const place = document === 'README.md' ? folder : join(folder, basename(document, '.md'));
    await mkdir(place, { recursive: true });
    const text = await readFile(join(root, document), 'utf8');
    for (const [, name, code] of text.matchAll(/^```ts\n\/\/ (\S+\.ts)\n(.*?)^```$/gms)) {
      const file = join(place, String(name));
      await writeFile(file, String(code));
      files.push(file);
    }
  }
  const { options } = ts.convertCompilerOptionsFromJson(
    (JSON.parse(await readFile(join(root, 'tsconfig.json'), 'utf8')) as { compilerOptions: object })
      .compilerOptions,
    root,
  );
  const program = ts.createProgram(files, {
    ...options,
    noEmit: false,
    paths: {},
    rootDir: folder,
    outDir: folder,
  });
  const problems = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  expect(
    ts.formatDiagnostics(problems, {
      getCanonicalFileName: String,
      getCurrentDirectory: () => root,
      getNewLine: () => '\n',
    }),
  ).toBe('');
  return folder;
}

function run(file: string, redisUrl: string): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, REDIS_URL: redisUrl, NO_COLOR: '1' },
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  return { child, output: () => output };
}

async function exit({ child, output }: ReturnType<typeof run>): Promise<string> {
  await until(() => child.exitCode !== null, 20_000);
  expect(child.exitCode, output()).toBe(0);
  return output();
}

it('the examples of the README and of the guides compile; those of the README run, and do what it says', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const folder = await compileExamples();

  expect(await exit(run(join(folder, 'orders.test.js'), redis.url))).toContain('order 1 was placed');
  const worker = run(join(folder, 'worker.js'), redis.url);
  await until(() => worker.output().includes('Nest microservice successfully started'), 20_000);
  expect(await exit(run(join(folder, 'client.js'), redis.url))).toBe('total: 35\n');
  await until(() => worker.output().includes('order 1 was placed'));
  worker.child.kill('SIGTERM');
  await until(() => worker.child.exitCode !== null || worker.child.signalCode !== null);

  expect(await exit(run(join(folder, 'queue.js'), redis.url))).toMatch(
    /^\d{13} test_event serialized_data\n$/,
  );
  expect(await exit(run(join(folder, 'dead-letters.js'), redis.url))).toBe('0 dead letters\nthat was all\n');
}, 60_000);
