import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

const FOLDER = new URL('../page/', import.meta.url);
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * Reads all files of the page into memory. Only their paths can be asked for, so no request reaches the disk.
 * @returns each file by its path: `/` is the page
 */
export function readAssets(url = FOLDER): ReadonlyMap<string, Asset> {
  const folder = fileURLToPath(url);
  const assets = new Map<string, Asset>();
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const path = join(file.parentPath, file.name);
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    const name = `/${path.slice(folder.length).replaceAll('\\', '/')}`;
    assets.set(name === '/index.html' ? '/' : name, { type, body: readFileSync(path) });
  }
  return assets;
}
