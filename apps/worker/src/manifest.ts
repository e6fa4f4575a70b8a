import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The parts of a package.json that matter here. None of them can be relied on. */
export interface Manifest {
  readonly name?: unknown;
  readonly version?: unknown;
  readonly license?: unknown;
  readonly licenses?: unknown;
}

/** @returns nothing when there is no package.json, or none that can be read */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    return typeof manifest === 'object' && manifest !== null ? manifest : undefined;
  } catch {
    return undefined;
  }
}
