import { realpath } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { Injectable, type PipeTransform } from '@nestjs/common';
import { config } from './config.js';
import { refusal } from './refusal.js';

export interface PackageFolder {
  /** As the request has it, relative to the project root. */
  readonly path: string;
  readonly folder: string;
}

/** Lets only folders within the project's `node_modules` pass, also when the path goes through symbolic links. */
@Injectable()
export class PackageFolderPipe implements PipeTransform<unknown, Promise<PackageFolder>> {
  async transform(path: unknown): Promise<PackageFolder> {
    if (typeof path !== 'string') throw refusal('"path" must be a string');
    const nodeModules = await realpath(join(config.projectRoot, 'node_modules'));
    const folder = await realpath(resolve(config.projectRoot, path)).catch(() => '');
    if (!folder.startsWith(nodeModules + sep)) {
      throw refusal(`${JSON.stringify(path)} is not a folder within node_modules`);
    }
    return { path, folder };
  }
}
