import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LOOPBACK } from '../addresses.js';
import { onFreePort } from '../../scripts/redis.js';
import { end, launch, PortTaken, releaseFolder, type Running } from '../../scripts/redis-process.js';

export interface BrokerProcess {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts a broker on a free port, of the loopback interface unless a host is given, and with a folder of its own, which goes when it stops, or when this process
 * ends.
 */
export async function startProcess(
  command: (port: number, folder: string) => string[],
  isReady: (port: number, host: string) => Promise<boolean> = accepts,
  host: string = LOOPBACK.broker,
): Promise<BrokerProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-bench-'));
  // Some brokers give up root.
  await chmod(folder, 0o777);
  const removeFolder = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  let running: Running;
  try {
    running = await onFreePort(async (port) => {
      // Somebody else would answer for it.
      if (await accepts(port, host)) throw new PortTaken();
      return launch(command(port, folder), port, folder, true, (each) => isReady(each, host));
    });
  } catch (error) {
    await removeFolder();
    throw error;
  }
  const { child, pid, port } = running;
  return {
    port,
    pid,
    async stop() {
      await end(child, 'SIGTERM');
      await removeFolder();
      releaseFolder(running);
    },
  };
}

/** Whether somebody listens on the port. */
export function accepts(port: number, host: string = LOOPBACK.broker): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** The first version in what `command` says of itself. */
export function versionOf(command: string, ...args: string[]): string {
  try {
    return /\d+\.\d+[.\d]*/.exec(execFileSync(command, args, { encoding: 'utf8' }))?.[0] ?? 'unknown';
  } catch (error) {
    // Some call asking for help a failure.
    return /\d+\.\d+[.\d]*/.exec(String((error as { stdout?: unknown }).stdout))?.[0] ?? 'unknown';
  }
}
