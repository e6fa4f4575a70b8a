import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { config } from '../config.js';

export interface LockedPackage {
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** Optional packages for other platforms are not. */
  readonly installed: boolean;
}

interface LockEntry {
  readonly name?: string;
  readonly version?: string;
  /** A link to one of the project's own packages. */
  readonly link?: boolean;
}

/** The project's dependencies, as its package-lock.json has them. */
@Injectable()
export class LockFile {
  async packages(): Promise<LockedPackage[]> {
    const text = await readFile(join(config.projectRoot, 'package-lock.json'), 'utf8');
    const { packages } = JSON.parse(text) as { packages: Record<string, LockEntry> };
    const dependencies = Object.entries(packages).filter(
      ([path, { link }]) => path.startsWith('node_modules/') && link !== true,
    );
    return Promise.all(dependencies.map(([path, entry]) => lockedPackage(path, entry)));
  }
}

async function lockedPackage(path: string, { name, version }: LockEntry): Promise<LockedPackage> {
  return {
    path,
    name: name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
    version: version ?? '',
    installed: await exists(join(config.projectRoot, path, 'package.json')),
  };
}

async function exists(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
}
