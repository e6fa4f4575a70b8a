import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { until } from './queue.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Written when all files of a document have run. */
const END = 'all of it has run';

/** A document with programs, and what it says that they write. */
export interface Examples {
  readonly document: string;
  /** ```ts blocks that begin with their name, in the order in which they run. */
  readonly files: readonly { readonly name: string; readonly code: string }[];
  /** ```text blocks: lines that come one after the other; `…` stands for anything. */
  readonly outputs: readonly string[];
}

/** Returns the examples of both packages' READMEs and of the guides. */
export function readExamples(): Examples[] {
  const guides = readdirSync(join(root, 'docs/guides')).map((guide) => `docs/guides/${guide}`);
  const all = ['README.md', 'libs/elkmq/README.md', ...guides].map(examplesOf);
  return all.filter(({ files, outputs }) => files.length > 0 || outputs.length > 0);
}

export function examplesOf(document: string): Examples {
  const text = readFileSync(join(root, document), 'utf8');
  const files = [...text.matchAll(/^```ts\n\/\/ (\S+\.ts)\n(.*?)^```$/gms)];
  return {
    document,
    files: files.map(([, name = '', code = '']) => ({ name, code })),
    outputs: [...text.matchAll(/^```text\n(.*?)\n```$/gms)].map(([, output = '']) => output),
  };
}

/** Whether its programs need a PostgreSQL. */
export function needsPostgres({ files }: Examples): boolean {
  return files.some(({ code }) => code.includes('DATABASE_URL'));
}

/**
 * Compiles them below `folder` as an application would, against the built package.
 * @returns what TypeScript finds wrong
 */
export async function compileExamples(all: readonly Examples[], folder: string): Promise<string> {
  const paths: string[] = [];
  for (const examples of all) {
    for (const { name, code } of examples.files) {
      const path = pathOf(examples, name, folder);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, code);
      paths.push(path);
    }
  }
  const { compilerOptions } = JSON.parse(await readFile(join(root, 'tsconfig.json'), 'utf8')) as {
    compilerOptions: object;
  };
  const { options } = ts.convertCompilerOptionsFromJson(
    // These are a user's settings: they allow `process.env.REDIS_URL`.
    { ...compilerOptions, noEmit: false, paths: {}, noPropertyAccessFromIndexSignature: false },
    root,
  );
  const program = ts.createProgram(paths, { ...options, rootDir: folder, outDir: folder });
  const problems = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  return ts.formatDiagnostics(problems, {
    getCanonicalFileName: String,
    getCurrentDirectory: () => root,
    getNewLine: () => '\n',
  });
}

/**
 * Runs the files of a document one after the other in a process of their own, and ends what they have started as an
 * operator would, once they have written what the document says.
 */
export async function runExamples(
  examples: Examples,
  folder: string,
  servers: { readonly redis: string; readonly postgres: string | undefined },
): Promise<{ output: string; ended: string }> {
  const files = examples.files.map(({ name }) => pathOf(examples, name, folder).replace(/ts$/, 'js'));
  const code = `for (const file of process.argv.slice(1)) await import(file); console.log('${END}')`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code, ...files], {
    env: {
      ...process.env,
      REDIS_URL: servers.redis,
      DATABASE_URL: servers.postgres,
      PORT: '0',
      NO_COLOR: '1',
    },
  });
  let output = '';
  let ended: string | undefined;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  child.once('close', (status, signal) => (ended = signal ?? `code ${String(status)}`));
  const hasWritten = () => [END, ...examples.outputs].every((lines) => patternOf(lines).test(output));
  try {
    // The caller sees what was not written in time.
    await until(() => hasWritten() || ended !== undefined).catch(() => undefined);
    child.kill('SIGTERM');
    await until(() => ended !== undefined);
  } finally {
    child.kill('SIGKILL');
  }
  return { output, ended: String(ended) };
}

/** Finds these lines, in this order, with whatever is between them. */
export function patternOf(lines: string): RegExp {
  const each = lines.split('\n').map((line) =>
    line
      .split('…')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*'),
  );
  return new RegExp(`^${each.join('$[^]*?^')}$`, 'm');
}

function pathOf({ document }: Examples, name: string, folder: string): string {
  return join(folder, document.replace(/\.md$/, '').replaceAll('/', '-'), name);
}
