import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The names of the packages; the first one is what the others depend on. */
export const PACKAGES = ['elkmq', 'nestjs-elkmq', 'elkmq-console'] as const;

/** The folder of each package, below `libs`. */
const FOLDERS = { elkmq: 'elkmq', 'nestjs-elkmq': 'nestjs-elkmq', 'elkmq-console': 'console' } as const;

export type Tarballs = Record<(typeof PACKAGES)[number], string>;

/** Packs the packages as they would be published. @returns the path of each tarball, in `folder` */
export function pack(folder: string): Tarballs {
  const workspaces = PACKAGES.flatMap((name) => ['--workspace', name]);
  const args = ['pack', '--silent', ...workspaces, '--pack-destination', folder];
  execFileSync('npm', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  const tarballOf = (name: keyof typeof FOLDERS): string => {
    const manifest = readFileSync(join(root, 'libs', FOLDERS[name], 'package.json'), 'utf8');
    return join(folder, `${name}-${(JSON.parse(manifest) as { version: string }).version}.tgz`);
  };
  return {
    elkmq: tarballOf('elkmq'),
    'nestjs-elkmq': tarballOf('nestjs-elkmq'),
    'elkmq-console': tarballOf('elkmq-console'),
  };
}

/** The dependencies of a project that installs the tarballs. */
export function dependenciesOn(tarballs: Tarballs): Record<string, string> {
  return Object.fromEntries(Object.entries(tarballs).map(([name, tarball]) => [name, `file:${tarball}`]));
}
