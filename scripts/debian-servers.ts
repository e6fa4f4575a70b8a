import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from './run-suite.js';

/** A Redis server as a release of Debian has it. */
export interface DebianServer {
  readonly name: string;
  readonly suite: string;
  /** Also the name of the program. */
  readonly package: 'redis-server' | 'valkey-server';
}

/** The newest comes last. */
export const DEBIAN_SERVERS: readonly DebianServer[] = [
  { name: 'redis-6.0', suite: 'bullseye', package: 'redis-server' },
  { name: 'redis-7.0', suite: 'bookworm', package: 'redis-server' },
  { name: 'valkey', suite: 'trixie', package: 'valkey-server' },
  { name: 'redis-8.0', suite: 'trixie', package: 'redis-server' },
];

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Gets a server and all that it needs, down to its libc, from the Debian mirror that this machine's apt uses, and unpacks it
 * in the cache. Nothing is installed.
 * @returns the folder that has it as `redis-server`, for the PATH
 * @throws an Error that says why it cannot be had
 */
export function fetchServer(server: DebianServer): string {
  const home = join(CACHE, 'servers', server.name);
  const folder = join(home, 'bin');
  if (existsSync(join(folder, 'redis-server'))) return folder;
  rmSync(home, { recursive: true, force: true });
  const packages = join(home, 'cache', 'archives');
  for (const each of [
    join(packages, 'partial'),
    join(home, 'lists', 'partial'),
    join(home, 'root'),
    folder,
  ]) {
    mkdirSync(each, { recursive: true });
  }
  download(server, home);
  for (const file of readdirSync(packages).filter((name) => name.endsWith('.deb'))) {
    run('dpkg-deb', '-x', join(packages, file), join(home, 'root'));
  }
  rmSync(join(home, 'cache'), { recursive: true });
  rmSync(join(home, 'lists'), { recursive: true });
  writeFileSync(join(folder, 'redis-server'), starter(join(home, 'root'), server.package), { mode: 0o755 });
  return folder;
}

/** With folders of its own, so that apt believes that nothing is installed, and changes nothing of the machine's. */
function download({ suite, package: wanted }: DebianServer, home: string): void {
  const sources = join(home, 'sources.list');
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${mirror()} ${suite} main\n`);
  writeFileSync(join(home, 'status'), '');
  const settings = {
    'Dir::Etc::sourcelist': sources,
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::State': home,
    'Dir::State::lists': join(home, 'lists'),
    'Dir::State::status': join(home, 'status'),
    'Dir::Cache': join(home, 'cache'),
    // Its own user may not be allowed to read a home folder.
    'APT::Sandbox::User': 'root',
    // Old releases are not signed anew.
    'Acquire::Check-Valid-Until': 'false',
    'Acquire::Languages': 'none',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  run('apt-get', ...options, '-qq', 'update');
  run('apt-get', ...options, '-qq', '-y', '--no-install-recommends', '--download-only', 'install', wanted);
}

/** The mirror from which apt gets the release of Debian that this machine runs. */
function mirror(): string {
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const targets = run(
    'apt-get',
    'indextargets',
    '--no-release-info',
    '--format',
    '$(RELEASE) $(COMPONENT) $(SITE)',
  );
  const [, , site] =
    targets
      .split('\n')
      .map((line) => line.split(' '))
      .find(([name, component]) => name === release && component === 'main') ?? [];
  if (site === undefined || !existsSync(KEYRING))
    throw new Error('apt of this machine has no mirror of Debian');
  return site;
}

/** Runs the program with the libraries of its own release, by the loader of that release. */
function starter(root: string, program: string): string {
  const libraries = ['lib', 'usr/lib'].flatMap((folder) => {
    const all = join(root, folder);
    return existsSync(all)
      ? readdirSync(all)
          .filter((name) => name.endsWith('-linux-gnu'))
          .map((name) => join(all, name))
      : [];
  });
  const loader = libraries
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .find((file) => /\/ld-linux-[\w-]+\.so\.\d$/.test(file));
  if (loader === undefined) throw new Error(`there is no loader of programs in ${root}`);
  const path = libraries.join(':');
  // Debian's Redis 6.0 loads the module for JSON from a package of its own.
  const modules = libraries.map((folder) => join(folder, 'lua/5.1/?.so')).join(';');
  return `#!/bin/sh
export LUA_CPATH='${modules}'
exec '${loader}' --library-path '${path}' '${join(root, 'usr/bin', program)}' "$@"
`;
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} failed: ${(stderr || stdout).trim().slice(-500)}`);
  return stdout;
}
