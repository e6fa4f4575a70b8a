import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newQueueName, url } from '../support/queue.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const app = join(root, 'test/commonjs-app');

/** The settings that `nest new` of Nest 11 writes; `compiler` has those that have changed over its versions. */
const settings = (outDir: string, compiler: object) => ({
  ...{ rootDir: join(app, 'src'), outDir, target: 'es2023', types: ['node'] },
  ...{ esModuleInterop: true, isolatedModules: true, skipLibCheck: true, strict: true },
  ...{ emitDecoratorMetadata: true, experimentalDecorators: true },
  ...compiler,
});

// `npm run test:versions` and `npm run test:package` have the compiler run, which takes long.
describe.runIf(process.env['ELKMQ_VERSIONS'])('CommonJS', () => {
  it.each([
    { module: 'nodenext', moduleResolution: 'nodenext' },
    { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' },
  ])('an application in CommonJS, compiled with %j, uses the package', async (compiler) => {
    // Below the root, so that it finds the packages.
    const folder = join(root, 'dist', `commonjs-${randomUUID()}`);
    onTestFinished(() => rm(folder, { recursive: true }));
    await mkdir(folder, { recursive: true });
    await copyFile(join(app, 'package.json'), join(folder, 'package.json'));
    const { options, errors } = ts.convertCompilerOptionsFromJson(settings(folder, compiler), root);
    const program = ts.createProgram([join(app, 'src/main.ts')], options);
    const problems = [...errors, ...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
    expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);

    const env = { ...process.env, REDIS_URL: url, QUEUE: newQueueName(), NODE_NO_WARNINGS: '1' };
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'main.js')], { env });
    expect(stdout).toBe('Hello CommonJS!\nfunction true\n');
  });
});
