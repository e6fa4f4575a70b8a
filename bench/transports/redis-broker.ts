import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { Redis } from 'ioredis';
import { LOOPBACK, type Addresses } from '../addresses.js';
import { findServer } from '../../scripts/install-redis.js';
import { startRedis } from '../../scripts/redis.js';
import type { Broker, Traffic } from './bench-transport.js';

/** What takes so long is in the latency monitor of Redis. */
const SLOW_MS = 5;
const IN_MEMORY = ['--save', '', '--appendonly', 'no'];
/** What is a second old survives a crash of the machine. */
const EVERY_SECOND = [
  '--save',
  '',
  '--appendonly',
  'yes',
  '--appendfsync',
  'everysec',
  '--latency-monitor-threshold',
  String(SLOW_MS),
];

/** A private server that writes nothing to disk, for every transport that runs over Redis: it installs one if need be. */
export const startRedisBroker = (at: Addresses): Promise<Broker> => start(at, IN_MEMORY, '');

/** @param parentDir has the folder of the file; the system's folder for temporary files by default */
export async function startPersistentRedisBroker(at: Addresses, parentDir?: string): Promise<Broker> {
  const broker = await start(at, EVERY_SECOND, ' (AOF everysec)', parentDir);
  return { ...broker, notes: () => fsyncNotes(broker.adminUrl) };
}

/** Whether the disk was slow: writes to the file that Redis had to wait for. */
async function fsyncNotes(url: string): Promise<string[]> {
  const redis = new Redis(url);
  try {
    const info = await redis.info('persistence');
    const delayed = /^aof_delayed_fsync:(\d+)/m.exec(info)?.[1] ?? 'an unknown number of';
    const events = (await redis.call('LATENCY', 'LATEST')) as [
      name: string,
      at: number,
      lastMs: number,
      mostMs: number,
    ][];
    const slow = events
      .filter(([name]) => /aof|fork/.test(name))
      .map(([name, , , mostMs]) => `${name} ${mostMs} ms`);
    return [
      `Redis has waited for the fsync of its file ${delayed} times; what took ${SLOW_MS} ms or more, at the longest: ${slow.join(', ') || 'nothing'}`,
    ];
  } finally {
    redis.disconnect();
  }
}

/** A broker that is Redis. */
interface RedisBroker extends Broker {
  /** Leads there without TLS, over the loopback interface. */
  readonly adminUrl: string;
}

async function start(
  { broker: host, certificates }: Addresses,
  persistence: string[],
  remark: string,
  parentDir?: string,
): Promise<RedisBroker> {
  const tlsPort = randomInt(10_000, 20_000);
  const args = [
    ...persistence,
    ...(host === LOOPBACK.broker ? [] : ['--bind', LOOPBACK.broker, host, '--protected-mode', 'no']),
    ...(certificates === undefined
      ? []
      : [
          ...['--tls-port', String(tlsPort), '--tls-auth-clients', 'no'],
          ...['--tls-cert-file', certificates.certificate, '--tls-key-file', certificates.key],
          ...['--tls-ca-cert-file', certificates.authority],
        ]),
  ];
  const redis = await startRedis({ args, ...(parentDir !== undefined && { parentDir }) });
  const asking = new Redis(redis.url);
  return {
    url: certificates === undefined ? `redis://${host}:${redis.port}` : `rediss://${host}:${tlsPort}`,
    adminUrl: redis.adminUrl,
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
