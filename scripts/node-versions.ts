import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from './run-suite.js';

/** Lines of Node that the package supports beside the one of this project. */
export const NODE_LINES = [22, 24, 26] as const;

export type NodeLine = (typeof NODE_LINES)[number];

/**
 * Gets the newest Node of a line from the npm registry, where the package `node` has its programs, and keeps it in the cache.
 * @returns the folder of the program, for the PATH
 * @throws an Error that says why it cannot be had
 */
export function fetchNode(line: number): string {
  const home = join(CACHE, `node-${line}`);
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(home, 'node_modules', name, 'bin');
  if (existsSync(join(folder, 'node'))) return folder;
  mkdirSync(home, { recursive: true });
  const flags = ['--prefix', home, '--no-audit', '--no-fund', '--no-package-lock', '--silent'];
  try {
    execFileSync('npm', ['install', ...flags, `${name}@^${line}`], { stdio: 'pipe' });
  } catch (error) {
    throw new Error(`npm cannot install ${name}@^${line}`, { cause: error });
  }
  return folder;
}
