import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { findServer } from '../../scripts/install-redis.js';
import { startRedis, useRedis, type RedisOptions } from '../../scripts/redis.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options?: RedisOptions) {
  const server = await startRedis(options);
  cleanups.push(() => server.stop());
  return server;
}

async function temporaryFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-test-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function ask<T>(url: string, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.destroy());
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(true));
  });
}

/** A program on a PATH that holds nothing else. */
async function fakeProgram(folder: string, name: string, script: string) {
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

async function startOwner(...args: string[]) {
  const program = fileURLToPath(new URL('../../dist/tools/test/processes/redis-owner.js', import.meta.url));
  const owner = spawn(process.execPath, [program, ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(() => owner.kill('SIGKILL'));
  const exited = once(owner, 'exit');
  if (owner.pid === undefined) throw new Error('The owner did not start');
  const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
  return { pid: owner.pid, exited, redis: JSON.parse(line) as { port: number; dir: string } };
}

describe('a private Redis', () => {
  it('answers, on 127.0.0.1 and without persistence', async () => {
    const server = await start();
    expect(server.isPrivate).toBe(true);
    expect(server.url).toBe(`redis://127.0.0.1:${server.port}`);
    for (const [name, value] of [
      ['bind', '127.0.0.1'],
      ['save', ''],
      ['appendonly', 'no'],
    ] as const) {
      expect(await ask(server.url, (redis) => redis.config('GET', name))).toEqual([name, value]);
    }
  });

  it('has its own port and data', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    expect(one.port).not.toBe(two.port);
    await ask(one.url, (redis) => redis.set('key', 'one'));
    expect(await ask(two.url, (redis) => redis.get('key'))).toBeNull();
  });

  it('leaves neither process nor folder when stopped', async () => {
    const server = await start();
    expect(existsSync(server.dir)).toBe(true);
    await server.stop();
    expect(await listens(server.port)).toBe(false);
    expect(existsSync(server.dir)).toBe(false);
    await server.stop();
  });

  it('keeps a data folder that it was given', async () => {
    const dir = await temporaryFolder();
    const options = { dir, args: ['--appendonly', 'yes'] };
    const first = await start(options);
    await ask(first.url, (redis) => redis.set('key', 'kept'));
    await first.stop();
    const second = await start(options);
    expect(await ask(second.url, (redis) => redis.get('key'))).toBe('kept');
  });

  it('comes back after a kill, on the same port and with its data', async () => {
    const server = await start({ args: ['--appendonly', 'yes'] });
    await ask(server.url, (redis) => redis.set('key', 'kept'));
    const { pid } = server;
    await server.kill();
    expect(await listens(server.port)).toBe(false);
    await server.restart();
    expect(server.pid).not.toBe(pid);
    expect(await ask(server.url, (redis) => redis.get('key'))).toBe('kept');
    await server.stop();
    expect(existsSync(server.dir)).toBe(false);
  });
});

describe('a Redis that cannot start', () => {
  it('gives the end of its output', async () => {
    await expect(startRedis({ args: ['--no-such-setting', 'yes'] })).rejects.toThrow('no-such-setting');
  });

  it('does not move away from the port that it was given', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    cleanups.push(() => other.close());
    const address = other.address();
    if (address === null || typeof address === 'string') throw new Error('No port');
    await expect(startRedis({ port: address.port })).rejects.toThrow(/address already in use/i);
  });

  it('tries another port when it chose one that is taken', async () => {
    const folder = await temporaryFolder();
    const takenOnce = `if /bin/mkdir "$0.tried" 2>/dev/null; then echo "bind: Address already in use"; exit 1; fi`;
    await fakeProgram(folder, 'redis-server', `${takenOnce}\nexec "${findServer()}" "$@"`);
    vi.stubEnv('PATH', folder);
    const server = await start();
    expect(existsSync(join(folder, 'redis-server.tried'))).toBe(true);
    expect(await ask(server.url, (redis) => redis.ping())).toBe('PONG');
  });
});

describe('the process that started a Redis', () => {
  it.each(['SIGKILL', 'SIGINT'] as const)('takes it along when %s ends its process group', async (signal) => {
    const owner = await startOwner('wait');
    expect(await listens(owner.redis.port)).toBe(true);
    process.kill(-owner.pid, signal);
    await owner.exited;
    await expect.poll(() => listens(owner.redis.port)).toBe(false);
    await expect.poll(() => existsSync(owner.redis.dir)).toBe(false);
  });

  it('is not kept alive by it, and takes it along at its end', async () => {
    const owner = await startOwner();
    expect(await owner.exited).toEqual([0, null]);
    await expect.poll(() => listens(owner.redis.port)).toBe(false);
    await expect.poll(() => existsSync(owner.redis.dir)).toBe(false);
  });
});

describe('useRedis', () => {
  it('uses the server of REDIS_URL and leaves it running', async () => {
    const server = await start();
    vi.stubEnv('REDIS_URL', server.url);
    const used = await useRedis();
    expect(used).toMatchObject({ url: server.url, port: server.port, isPrivate: false });
    await used.stop();
    expect(await ask(server.url, (redis) => redis.ping())).toBe('PONG');
  });

  it('says so when REDIS_URL is no URL', async () => {
    vi.stubEnv('REDIS_URL', 'foo');
    await expect(useRedis()).rejects.toThrow('REDIS_URL is not a URL such as redis://127.0.0.1:6379');
  });

  it('starts a private server without REDIS_URL', async () => {
    vi.stubEnv('REDIS_URL', '');
    const used = await useRedis();
    cleanups.push(() => used.stop());
    expect(used.isPrivate).toBe(true);
    expect(await ask(used.url, (redis) => redis.ping())).toBe('PONG');
  });
});

describe('without a server on the PATH', () => {
  it('says what to install when there is no way to get one', async () => {
    vi.stubEnv('PATH', '');
    await expect(startRedis()).rejects.toThrow(
      /^No Redis to use: install redis-server or valkey-server .*\.$/,
    );
  });

  it('does not touch the package manager when it cannot become root', async () => {
    const folder = await temporaryFolder();
    await fakeProgram(folder, 'apt-get', `echo "$@" >>"$0.log"`);
    await fakeProgram(folder, 'sudo', 'exit 1');
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    vi.stubEnv('PATH', folder);
    await expect(startRedis()).rejects.toThrow('No Redis to use');
    expect(existsSync(join(folder, 'apt-get.log'))).toBe(false);
  });

  it('gets one through sudo after saying so, and updates the package lists when it must', async () => {
    const folder = await temporaryFolder();
    // Like apt-get in a fresh container: it finds no package before an update.
    await fakeProgram(
      folder,
      'apt-get',
      `case "$*" in
        update) /bin/mkdir "$0.updated" ;;
        *'install -y --no-install-recommends redis-server')
          [ -d "$0.updated" ] && /bin/ln -s "${findServer()}" "${folder}/redis-server" ;;
        *) exit 1 ;;
      esac`,
    );
    await fakeProgram(folder, 'sudo', 'shift; "$@"');
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.stubEnv('PATH', folder);
    const server = await start();
    expect(await ask(server.url, (redis) => redis.ping())).toBe('PONG');
    expect(said.mock.calls.join('')).toContain('running: sudo -n apt-get');
  });
});
