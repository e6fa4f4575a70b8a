import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MqttClient } from 'mqtt';
import { ClientMqtt, Transport } from '@nestjs/microservices';
import { findOnPath } from '../../scripts/install-redis.js';
import { ECHO } from '../payload.js';
import type { BenchTransport } from './bench-transport.js';
import { startProcess, versionOf } from './broker-process.js';
import { startNestWorker } from './nest.js';

/**
 * Subscribed to its replies all the time. Nest's client gives the subscription up when no request is under way, also
 * while another one waits to be subscribed, whose reply is lost then: it would hang at the first such moment.
 */
class SubscribedClient extends ClientMqtt {
  override async connect(): Promise<unknown> {
    const connected: unknown = await super.connect();
    const replies = this.getResponsePattern(ECHO);
    if (!this.subscriptionsCount.has(replies)) {
      this.subscriptionsCount.set(replies, 1);
      await this.unwrap<MqttClient>().subscribeAsync(replies);
    }
    return connected;
  }
}

function writeSettings(host: string, port: number, folder: string): string {
  const file = join(folder, 'mosquitto.conf');
  const settings = [
    `listener ${port} ${host}`,
    'allow_anonymous true',
    // Or a single message waits for 40 ms.
    'set_tcp_nodelay true',
    // Or it drops messages where more than 1,000 are in flight.
    'max_queued_messages 0',
  ];
  writeFileSync(file, `${settings.join('\n')}\n`);
  return file;
}

export const mqtt: BenchTransport = {
  title: 'Nest MQTT',
  stores: false,
  keeps: 'nothing is stored (QoS 0), every worker gets every message; its client kept subscribed to replies',
  missing: () => (findOnPath('mosquitto') === undefined ? 'mosquitto is not installed' : undefined),
  async startBroker({ broker: host }) {
    const command = (port: number, folder: string) => ['mosquitto', '-c', writeSettings(host, port, folder)];
    const broker = await startProcess(command, undefined, host);
    return {
      url: `mqtt://${host}:${broker.port}`,
      software: `Mosquitto ${versionOf('mosquitto', '-h')}`,
      pid: broker.pid,
      stop: () => broker.stop(),
    };
  },
  startWorker: (url, ...rest) => startNestWorker({ transport: Transport.MQTT, options: { url } }, ...rest),
  client: (url) => new SubscribedClient({ url }),
};
