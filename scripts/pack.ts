import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The package as it would be published. @returns the tarball, in `folder` */
export function pack(folder: string): string {
  const args = ['pack', '--silent', '--workspace', 'nestjs-elkmq', '--pack-destination', folder];
  execFileSync('npm', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  return join(folder, String(readdirSync(folder).find((file) => file.endsWith('.tgz'))));
}
