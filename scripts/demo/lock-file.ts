import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from './project.js';

/** The demo's own reading of the lock file, to compare the audit with. */
export interface LockedPackages {
  /** The versions of those that are installed, by path. */
  readonly installed: ReadonlyMap<string, string>;
  /** Optional ones, for other platforms. */
  readonly notForHere: number;
  readonly missing: readonly string[];
}

interface LockEntry {
  readonly version?: string;
  readonly link?: boolean;
  readonly optional?: boolean;
}

export async function readLockFile(): Promise<LockedPackages> {
  const text = await readFile(join(projectRoot, 'package-lock.json'), 'utf8');
  const { packages } = JSON.parse(text) as { packages: Record<string, LockEntry> };
  const dependencies = Object.entries(packages).filter(
    ([path, { link }]) => path.startsWith('node_modules/') && link !== true,
  );
  const isInstalled = (path: string) => existsSync(join(projectRoot, path, 'package.json'));
  const installed = dependencies.filter(([path]) => isInstalled(path));
  const absent = dependencies.filter(([path]) => !isInstalled(path));
  return {
    installed: new Map(installed.map(([path, { version }]) => [path, version ?? ''])),
    notForHere: absent.filter(([, { optional }]) => optional).length,
    missing: absent.filter(([, { optional }]) => !optional).map(([path]) => path),
  };
}

export function describePackages({ installed, notForHere, missing }: LockedPackages): string {
  const parts = [
    `The lock file names ${installed.size + notForHere + missing.length} packages`,
    `${installed.size} are installed`,
    `${notForHere} are optional ones for other platforms`,
  ];
  if (missing.length > 0) parts.push(`${missing.length} are missing`);
  return `${parts.join(', ')}.`;
}
