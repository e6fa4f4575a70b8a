import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServer, installServer } from './install-redis.js';
import { end, launch, PortTaken, releaseFolder, type Running } from './redis-process.js';

export interface RedisOptions {
  /** Extra server arguments; they win over the defaults (no persistence, 127.0.0.1 only). */
  readonly args?: readonly string[];
  /** Default: a free port. */
  readonly port?: number;
  /** An existing data folder, which is kept. Default: a temporary one, which goes when the server stops. */
  readonly dir?: string;
  /** Where the temporary data folder is made. Default: the system's folder for such. */
  readonly parentDir?: string;
  /** ACL rules of a user `restricted`; `url` then leads to that user. Default: the default user, who may do everything. */
  readonly user?: string;
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** False for the server of REDIS_URL: it is somebody else's, do not flush or stop it. */
  readonly isPrivate: boolean;
  /** Ends a private server; does nothing to another one. */
  stop(): Promise<void>;
}

export interface PrivateRedis extends RedisServer {
  readonly isPrivate: true;
  /** Leads to the default user, who may do everything. */
  readonly adminUrl: string;
  readonly pid: number;
  readonly dir: string;
  /** Ends the server with SIGKILL and keeps its data folder, for restart(). */
  kill(): Promise<void>;
  /** Starts the server again, on the same port and with the same data folder. */
  restart(): Promise<void>;
}

/** Of the user whose rules are given. */
const USER = 'restricted';
const PASSWORD = 'secret';

/** The server of REDIS_URL when that is set, else a private one. */
export async function useRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const url = process.env['REDIS_URL'];
  if (!url) return startRedis(options);
  if (!URL.canParse(url)) {
    // Without the value: there may be a password in it.
    throw new Error('REDIS_URL is not a URL such as redis://127.0.0.1:6379');
  }
  return { url, port: Number(new URL(url).port) || 6379, isPrivate: false, stop: async () => {} };
}

/** A private server, which ends with this process at the latest, however this process ends. */
export async function startRedis(options: RedisOptions = {}): Promise<PrivateRedis> {
  const binary = findServer() ?? installServer();
  const isTemporary = options.dir === undefined;
  const dir = options.dir ?? (await mkdtemp(join(options.parentDir ?? tmpdir(), 'elkmq-redis-')));
  const user =
    options.user === undefined ? [] : ['--user', USER, 'on', `>${PASSWORD}`, ...options.user.split(' ')];
  const removeFolder = () => rm(dir, { recursive: true, force: true, maxRetries: 5 });

  const launchOn = (port: number) => {
    const defaults = ['--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'];
    const command = [binary, '--port', String(port), ...defaults, ...(options.args ?? []), ...user];
    return launch(command, port, dir, isTemporary);
  };

  let current: Running;
  try {
    current = await (options.port === undefined ? onFreePort(launchOn) : launchOn(options.port));
  } catch (error) {
    if (isTemporary) await removeFolder();
    throw error;
  }

  const { port } = current;
  const kill = () => end(current.child, 'SIGKILL');
  const adminUrl = `redis://127.0.0.1:${port}`;
  return {
    url: options.user === undefined ? adminUrl : adminUrl.replace('//', `//${USER}:${PASSWORD}@`),
    adminUrl,
    port,
    isPrivate: true,
    dir,
    get pid() {
      return current.pid;
    },
    kill,
    async restart() {
      await kill();
      const previous = current;
      current = await launchOn(port);
      releaseFolder(previous);
    },
    async stop() {
      await end(current.child, 'SIGTERM');
      if (isTemporary) await removeFolder();
      releaseFolder(current);
    },
  };
}

/** Tries ports rather than looking for a free one, which another process could take in between. */
export async function onFreePort(launchOn: (port: number) => Promise<Running>): Promise<Running> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launchOn(randomPort());
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === 20) throw error;
    }
  }
}

/**
 * Below the range that systems hand out to outgoing connections: none of those can take the port while the
 * server is down, not even a client that reconnects to it and so connects to itself.
 */
function randomPort(): number {
  return randomInt(20_000, 32_768);
}
