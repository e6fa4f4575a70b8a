import { execFileSync } from 'node:child_process';
import { Redis } from 'ioredis';
import { findServer } from '../../scripts/install-redis.js';
import { startRedis } from '../../scripts/redis.js';
import type { Broker, Traffic } from './bench-transport.js';

const IN_MEMORY = ['--save', '', '--appendonly', 'no'];
/** What is a second old survives a crash of the machine. */
const EVERY_SECOND = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec'];

/** A private server that writes nothing to disk, for every transport that runs over Redis: it installs one if need be. */
export const startRedisBroker = (): Promise<Broker> => start(IN_MEMORY, '');

export const startPersistentRedisBroker = (): Promise<Broker> => start(EVERY_SECOND, ' (AOF everysec)');

async function start(args: string[], remark: string): Promise<Broker> {
  const redis = await startRedis({ args });
  const asking = new Redis(redis.url);
  return {
    url: redis.url,
    software: installedServer() + remark,
    pid: redis.pid,
    async traffic(): Promise<Traffic> {
      const info = await asking.info('stats');
      const figure = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
      return {
        commands: figure('total_commands_processed'),
        bytesIn: figure('total_net_input_bytes'),
        bytesOut: figure('total_net_output_bytes'),
      };
    },
    async stop() {
      asking.disconnect();
      await redis.stop();
    },
  };
}

function installedServer(): string {
  const answer = execFileSync(findServer() ?? 'redis-server', ['--version'], { encoding: 'utf8' });
  const [, product, version] = /^(\w+) server v=(\S+)/.exec(answer) ?? [];
  return product === undefined ? answer.trim() : `${product} ${version}`;
}
