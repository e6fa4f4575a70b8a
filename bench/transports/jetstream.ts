import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findOnPath } from '../../scripts/install-redis.js';
import { ECHO, EVENT } from '../payload.js';
import { buildGo, installPackages, peerFolder } from '../peers.js';
import type { BenchClient, BenchTransport, BenchWorker } from './bench-transport.js';
import { startProcess, versionOf } from './broker-process.js';

/** What `bench/peers/jetstream` exports. It has a Nest of its own, since the transport refuses ours. */
interface Peer {
  startWorker(
    url: string,
    patterns: { echo: string; event: string },
    handled: (event: object) => void,
  ): Promise<BenchWorker>;
  client(url: string): BenchClient;
}

const FOLDER = peerFolder('jetstream');
/** The streams of the transport are compressed, which came with it. */
const LEAST_SERVER = [2, 10] as const;

async function loadPeer(): Promise<Peer> {
  return (await import(pathToFileURL(join(FOLDER, 'transport.mjs')).href)) as Peer;
}

/** The server that is installed, when it is new enough. */
function installedServer(): string | undefined {
  const server = findOnPath('nats-server');
  if (server === undefined) return undefined;
  const [major = 0, minor = 0] = versionOf(server, '--version').split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_SERVER;
  return major > leastMajor || (major === leastMajor && minor >= leastMinor) ? server : undefined;
}

function missing(): string | undefined {
  if (findOnPath('npm') === undefined) return 'npm is not installed';
  if (installedServer() !== undefined || findOnPath('go') !== undefined) return undefined;
  return `nats-server ${LEAST_SERVER.join('.')} or newer is not installed, nor is go, which could build it`;
}

function client(url: string): BenchClient {
  let peer: BenchClient | undefined;
  const connected = (): BenchClient => {
    if (peer === undefined) throw new Error('not connected');
    return peer;
  };
  return {
    async connect() {
      peer = (await loadPeer()).client(url);
      await peer.connect();
    },
    send: (pattern, data) => connected().send(pattern, data),
    emit: (pattern, data) => connected().emit(pattern, data),
    close: () => peer?.close(),
  };
}

export const jetstream: BenchTransport = {
  title: 'JetStream',
  stores: true,
  keeps:
    '@horizon-republic/nestjs-jetstream 1.0.6 with Nest 11 and its defaults: stored in a file by NATS until a worker has answered it',
  // Its emit does not wait until the event is stored, so a rate of events would be that of a loop that stores nothing.
  carries: 'requests',
  waits: false,
  missing,
  async startBroker({ broker: host }) {
    installPackages(FOLDER);
    const server = installedServer() ?? buildGo('nats-server', 'github.com/nats-io/nats-server/v2');
    const command = (port: number, folder: string) => [
      ...[server, '-a', host, '-p', String(port)],
      ...['-js', '-sd', folder],
    ];
    const broker = await startProcess(command, undefined, host);
    return {
      url: `nats://${host}:${broker.port}`,
      software: `NATS ${versionOf(server, '--version')} (JetStream)`,
      pid: broker.pid,
      stop: () => broker.stop(),
    };
  },
  startWorker: async (url, handled) =>
    (await loadPeer()).startWorker(url, { echo: ECHO, event: EVENT }, handled),
  client,
};
