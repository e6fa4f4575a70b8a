import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface FolderContents {
  /** The names of the files in the folder itself. */
  readonly names: readonly string[];
  /** How many files there are in the folder and in those below it. */
  readonly files: number;
  readonly bytes: number;
}

/** What belongs to a package: not the packages in its own `node_modules`, which are audited by themselves. */
export function readPackageFiles(packageFolder: string): Promise<FolderContents> {
  return readFolder(packageFolder, 'node_modules');
}

async function readFolder(folder: string, except?: string): Promise<FolderContents> {
  const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => name !== except);
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  const inner = await Promise.all(folders.map((name) => readFolder(join(folder, name))));
  return {
    names,
    files: names.length + sum(inner.map(({ files }) => files)),
    bytes: sum(sizes) + sum(inner.map(({ bytes }) => bytes)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
