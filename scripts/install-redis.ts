import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

interface PackageManager {
  readonly name: string;
  readonly needsRoot: boolean;
  /** Run one after the other until there is a server. */
  readonly commands: readonly string[];
}

const aptInstall = '-o DPkg::Lock::Timeout=120 install -y --no-install-recommends redis-server';

const packageManagers: readonly PackageManager[] = [
  // A fresh container has no package lists and an old one has stale lists: then update, and try again.
  { name: 'apt-get', needsRoot: true, commands: [aptInstall, 'update', aptInstall] },
  { name: 'apk', needsRoot: true, commands: ['add --no-cache redis'] },
  // Newer Fedora and RHEL releases replaced redis with valkey.
  { name: 'dnf', needsRoot: true, commands: ['install -y redis', 'install -y valkey'] },
  { name: 'brew', needsRoot: false, commands: ['install redis'] },
];

/** The path of a Redis (or Valkey) server on the PATH. */
export function findServer(): string | undefined {
  return findOnPath('redis-server') ?? findOnPath('valkey-server');
}

/** Gets a server from the system's package manager, if we may use it, and returns its path. */
export function installServer(): string {
  for (const { name, needsRoot, commands } of packageManagers) {
    const manager = findOnPath(name);
    const prefix = needsRoot ? rootPrefix() : [];
    if (manager === undefined || prefix === undefined) continue;
    const hadService = hasDebianService();
    for (const command of commands) {
      process.stderr.write(`No redis-server on the PATH, running: ${[...prefix, name, command].join(' ')}\n`);
      run([...prefix, '/usr/bin/env', ...quietInstall, manager, ...command.split(' ')]);
      const server = findServer();
      if (server === undefined) continue;
      if (!hadService && hasDebianService()) {
        run([...prefix, 'systemctl', 'disable', '--now', debianService]);
      }
      return server;
    }
  }
  throw new Error(
    'No Redis to use: install redis-server or valkey-server and have it on the PATH ' +
      '(for example "apt-get install redis-server" or "brew install redis"), ' +
      'or set REDIS_URL to a server that is already running.',
  );
}

// Debian's package starts a server on port 6379, which nobody asked for. The runlevel stops a SysV init from
// doing that; systemd does not look at it, so there the new service is disabled after the installation.
const quietInstall = ['DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'PREVLEVEL=N'];
const debianService = 'redis-server.service';

function hasDebianService(): boolean {
  return (
    existsSync('/run/systemd/system') &&
    spawnSync('systemctl', ['cat', debianService], { stdio: 'ignore' }).status === 0
  );
}

/** What to put before a command that needs root, or undefined when we cannot become root without asking. */
function rootPrefix(): string[] | undefined {
  if (process.getuid?.() === 0) return [];
  const sudo = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' });
  return sudo.status === 0 ? ['sudo', '-n'] : undefined;
}

/** The output goes to stderr, because stdout belongs to the program that needs a Redis. */
function run([file = '', ...args]: string[]): void {
  spawnSync(file, args, { stdio: ['ignore', 2, 2] });
}

export function findOnPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
