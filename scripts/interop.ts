import { spawnSync, type StdioOptions } from 'node:child_process';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPythonModule, CannotBuildError } from './python-module.js';

/** Builds programs around the original crate, and its Python module, and runs the tests that need them. */

/** Nothing is wrong, but this machine cannot do it. */
const CANNOT = 3;

const root = fileURLToPath(new URL('../../../', import.meta.url));
const CRATES = ['test/interop/rust', 'examples/rust'];
const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: [process.env['PATH'], join(homedir(), '.cargo/bin')].join(delimiter),
};

/** @returns its exit code; `undefined` when there is no such program */
function run(
  command: string,
  args: string[],
  cwd: string,
  stdio: StdioOptions = 'inherit',
): number | undefined {
  const { status, error } = spawnSync(command, args, { cwd, env, stdio });
  return error ? undefined : (status ?? 1);
}

/** @returns why there is no Python module; `undefined` when there is one */
function preparePython(): string | undefined {
  try {
    env['ELK_MQ_PYTHON_MODULE'] = buildPythonModule(root, env);
    return undefined;
  } catch (error) {
    if (error instanceof CannotBuildError) return error.message;
    throw error;
  }
}

function main(): number {
  if (run('cargo', ['--version'], root, 'ignore') !== 0) {
    console.error('npm run test:interop builds the original crate, and needs cargo: https://rustup.rs');
    return CANNOT;
  }
  for (const crate of CRATES) {
    if (run('cargo', ['build', '--release', '--locked'], join(root, crate)) !== 0) return 1;
  }
  const missing = preparePython();
  const args = ['vitest', 'run', '--config', 'vitest.interop.config.ts', ...process.argv.slice(2)];
  const code = run('npx', args, root) ?? 1;
  if (missing === undefined || code !== 0) return code;
  console.error(`The tests with the original's Python module were left out: ${missing}.`);
  return CANNOT;
}

process.exitCode = main();
