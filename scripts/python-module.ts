import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Builds the original's Python module from its source on the package index, for the tests beside it. */

const VERSION = '0.1.1';
const SHA256 = 'd9467588f6426fb821d6ca763562cbbd740b8cd28a938be4df51bcbc169cd2e9';
/** The newest Python 3 that the crate `cpython` 0.7 knows. */
const NEWEST_MINOR = 12;
const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'elkmq', 'python-module');

/** This machine has not what it takes. */
export class CannotBuildError extends Error {}

/**
 * Builds the module, unless it is in the cache: about two minutes.
 * @param root of this project
 * @param env has cargo on its PATH
 * @returns the folder to be named in PYTHONPATH
 * @throws {CannotBuildError} without pip, or without a Python that can have the module
 */
export function buildPythonModule(root: string, env: NodeJS.ProcessEnv): string {
  const folder = join(CACHE, `${VERSION}-${abiOfPython(env)}`);
  if (existsSync(join(folder, 'elk_mq.so'))) return folder;

  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'build-'));
  try {
    run('python3', [join(root, 'scripts/fetch-sdist.py'), 'elk-mq', VERSION, SHA256, work], { env });
    const source = join(work, `elk_mq-${VERSION}`);
    takePublishedCpython(join(source, 'Cargo.toml'));
    cpSync(join(root, 'test/interop/python/Cargo.lock'), join(source, 'Cargo.lock'));
    const args = ['build', '--release', '--locked', '--features', 'python_bindings'];
    run('cargo', args, {
      cwd: source,
      env: { ...env, PYTHON_SYS_EXECUTABLE: 'python3', RUSTFLAGS: '--cap-lints=allow' },
    });
    mkdirSync(folder, { recursive: true });
    renameSync(join(source, 'target/release/libelk_mq.so'), join(folder, 'elk_mq.so'));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

/** @returns the interface that a module is built for, such as `cpython-311-x86_64-linux-gnu`. */
function abiOfPython(env: NodeJS.ProcessEnv): string {
  const code = `import pip, sys, sysconfig; print(sysconfig.get_config_var('SOABI'), sys.version_info.minor)`;
  let answer: string;
  try {
    answer = run('python3', ['-c', code], { env });
  } catch {
    throw new CannotBuildError('they need python3 with pip');
  }
  const [abi = '', minor] = answer.trim().split(' ');
  if (Number(minor) > NEWEST_MINOR) {
    throw new CannotBuildError(
      `they need a Python up to 3.${String(NEWEST_MINOR)}, this is 3.${String(minor)}`,
    );
  }
  return abi;
}

/** The source takes `cpython` from a fork in a git repository. The published crate does as well. */
function takePublishedCpython(manifest: string): void {
  const text = readFileSync(manifest, 'utf8');
  const changed = text.replace(/^(cpython = \{) *git *= *"[^"]*",/m, '$1');
  if (changed === text) throw new Error(`${manifest} names no git repository for cpython`);
  writeFileSync(manifest, changed);
}

/** @returns what it wrote */
function run(command: string, args: string[], options: { env: NodeJS.ProcessEnv; cwd?: string }): string {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const { status, error, stdout } = spawnSync(command, args, {
    ...options,
    stdio: [...stdio],
    encoding: 'utf8',
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(status)}`);
  return stdout;
}
