import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE } from '../scripts/run-suite.js';

/** Programs around other projects. Each is in a folder of its own, and is installed or built when it is wanted. */

/** The folder of a peer, among the sources. */
export function peerFolder(name: string): string {
  return fileURLToPath(new URL(`../../../bench/peers/${name}`, import.meta.url));
}

/** Installs the packages of the folder as its lock file has them, unless they are there. */
export function installPackages(folder: string): void {
  if (existsSync(join(folder, 'node_modules/.package-lock.json'))) return;
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], folder);
}

/**
 * Builds a program in Go, as far as it has changed, with the versions of the folder's `go.sum`.
 * @param package_ in the folder, or among what its `go.mod` names
 * @returns the path of the program
 */
export function buildGo(name: string, package_: string): string {
  const folder = join(CACHE, 'peers');
  mkdirSync(folder, { recursive: true });
  const program = join(folder, name);
  run('go', ['build', '-mod=readonly', '-o', program, package_], peerFolder(name));
  return program;
}

/**
 * Builds a program in Rust, as far as it has changed, with the versions of the folder's `Cargo.lock`.
 * @returns the path of the program
 */
export function buildRust(name: string, program: string): string {
  const target = join(CACHE, 'peers', name);
  mkdirSync(target, { recursive: true });
  run('cargo', ['build', '--release', '--locked', '--target-dir', target], peerFolder(name));
  return join(target, 'release', program);
}

/** What it writes does not mix with the result of the benchmark. */
function run(command: string, args: string[], cwd: string): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 2, 2] });
  if (error) throw error;
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} in ${cwd} ended with ${String(status)}`);
}
