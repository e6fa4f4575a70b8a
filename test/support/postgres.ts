import { execFile, spawn } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.js';
import { until } from './queue.js';

/** Debian keeps the programs of the server out of the PATH, in a folder for each version. */
const DEBIAN = '/usr/lib/postgresql';
/** PostgreSQL refuses to run as root. This user exists everywhere. */
const NOBODY = 65_534;

const folders = [
  ...(process.env['PATH'] ?? '').split(delimiter),
  ...(existsSync(DEBIAN) ? readdirSync(DEBIAN).map((version) => join(DEBIAN, version, 'bin')) : []),
];
const bin = folders.find((folder) => existsSync(join(folder, 'initdb')));

/** Whether PostgreSQL is installed. */
export const hasPostgres = bin !== undefined;

export interface Postgres {
  readonly url: string;
  /** Ends it, and removes its data. */
  stop(): Promise<void>;
}

/** A PostgreSQL of the test's own, until the test is over. @returns its URL */
export async function ownPostgres(): Promise<string> {
  const server = await startPostgres();
  onTestFinished(() => server.stop());
  return server.url;
}

/** Starts a PostgreSQL on a free port, with nothing in it. */
export async function startPostgres(): Promise<Postgres> {
  if (bin === undefined) throw new Error('PostgreSQL is not installed');
  const dir = await mkdtemp(join(tmpdir(), 'elkmq-postgres-'));
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) await chown(dir, NOBODY, NOBODY);
  const made = ['--pgdata', dir, '--username', 'postgres', '--auth', 'trust', '--no-sync', '--no-locale'];
  await promisify(execFile)(join(bin, 'initdb'), [...made, '--encoding', 'UTF8'], { cwd: dir, ...user });
  const port = await freePort();
  const settings = [
    'fsync=off',
    'listen_addresses=127.0.0.1',
    `port=${String(port)}`,
    'unix_socket_directories=',
  ];
  const args = ['-D', dir, ...settings.flatMap((setting) => ['-c', setting])];
  const server = spawn(join(bin, 'postgres'), args, {
    cwd: dir,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...user,
  });
  let output = '';
  server.stderr.on('data', (text) => (output += String(text)));
  const ended = new Promise<void>((resolve) => server.once('exit', resolve));
  const stop = async (): Promise<void> => {
    // An immediate end: SIGTERM waits for clients.
    server.kill('SIGQUIT');
    await ended;
    await rm(dir, { recursive: true });
  };
  const url = `postgres://postgres@127.0.0.1:${String(port)}/postgres`;
  await until(async () => {
    if (server.exitCode !== null) throw new Error(`PostgreSQL has ended: ${output}`);
    return isReady(url);
  });
  return { url, stop };
}

async function isReady(url: string): Promise<boolean> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A pool of connections, until the test is over. */
export function postgresPool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url });
  // A connection that the server ends: an idle one, and one that is in use but waits for no answer.
  pool.on('error', () => undefined);
  pool.on('connect', (connection) => connection.on('error', () => undefined));
  onTestFinished(() => pool.end());
  return pool;
}
