import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { LOOPBACK, type Addresses } from '../addresses.js';
import { findOnPath } from '../../scripts/install-redis.js';
import type { Broker } from './bench-transport.js';
import { startProcess } from './broker-process.js';

const HOME = '/usr/lib/rabbitmq/lib';

/** Debian's own script; the one on the PATH changes the user and with it the folders. */
function findRabbit(): { script: string; version: string } | undefined {
  const folder = existsSync(HOME)
    ? readdirSync(HOME).find((name) => name.startsWith('rabbitmq_server-'))
    : undefined;
  if (folder === undefined) return undefined;
  return { script: join(HOME, folder, 'sbin/rabbitmq-server'), version: folder.replace(/^.*-/, '') };
}

export function missingRabbit(): string | undefined {
  return findRabbit() === undefined || findOnPath('epmd') === undefined
    ? 'rabbitmq-server is not installed'
    : undefined;
}

/** RabbitMQ, with the port mapper that Erlang wants: left to itself it would start one that stays. */
export async function startRabbitBroker({ broker: host }: Addresses = LOOPBACK): Promise<Broker> {
  const rabbit = findRabbit();
  if (!rabbit) throw new Error('rabbitmq-server is not installed');
  const mapper = await startProcess((port) => ['epmd', '-address', '127.0.0.1', '-port', String(port)]);
  try {
    const broker = await startProcess(
      (port, folder) => ['env', ...settings(host, port, folder, mapper.port), rabbit.script],
      greets,
      host,
    );
    return {
      url: `amqp://${host}:${broker.port}`,
      software: `RabbitMQ ${rabbit.version}`,
      pid: broker.pid,
      async stop() {
        await broker.stop();
        await mapper.stop();
      },
    };
  } catch (error) {
    await mapper.stop();
    throw error;
  }
}

/** Whether it speaks AMQP: it accepts connections before it does. */
function greets(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.write('AMQP\0\0\x09\x01'));
    socket.setTimeout(1_000, () => socket.destroy());
    // A frame of the type "method": its question which login is wanted. An older protocol is named otherwise.
    socket.once('data', ([type]) => {
      resolve(type === 1);
      socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(false));
  });
}

function settings(host: string, port: number, folder: string, mapperPort: number): string[] {
  return Object.entries({
    HOME: folder,
    ERL_EPMD_PORT: mapperPort,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
    RABBITMQ_NODENAME: `elkmq-bench-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: host,
    RABBITMQ_NODE_PORT: port,
    // Below those that we try, which are below those of outgoing connections.
    RABBITMQ_DIST_PORT: Math.floor(port / 2),
    RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    RABBITMQ_CONFIG_FILE: writeConfiguration(folder),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    // The script becomes the server, so that ending it ends the server.
    RUNNING_UNDER_SYSTEMD: 1,
  }).map(([name, value]) => `${name}=${value}`);
}

/** The usual login is let in from the loopback interface only, unless this says otherwise. */
function writeConfiguration(folder: string): string {
  const file = join(folder, 'rabbitmq.conf');
  writeFileSync(file, 'loopback_users = none\n');
  return file;
}
