import { Injectable } from '@nestjs/common';
import { config } from './config.js';
import type { Finding } from './contract.js';
import { licenceFile, statedLicence } from './licence.js';
import { readManifest } from './manifest.js';
import type { PackageFolder } from './package-folder.pipe.js';
import { readPackageFiles } from './package-files.js';
import { refusal } from './refusal.js';

@Injectable()
export class PackageInspector {
  async inspect({ path, folder }: PackageFolder): Promise<Finding> {
    const manifest = await readManifest(folder);
    if (typeof manifest?.name !== 'string' || typeof manifest.version !== 'string') {
      throw refusal(`${JSON.stringify(path)} has no package.json with a name and a version`);
    }
    const { names, files, bytes } = await readPackageFiles(folder);
    return {
      path,
      name: manifest.name,
      version: manifest.version,
      licence: statedLicence(manifest),
      licenceFile: licenceFile(names),
      files,
      bytes,
      worker: config.workerName,
    };
  }
}
