import { afterAll } from 'vitest';
import { missingRabbit, startRabbitBroker } from '../../bench/transports/rabbitmq-broker.js';
import { areas } from './areas.js';
import { behaves } from './behaviour.js';
import { rmq, whereInstalled } from './brokers.js';

// Nest's server catches nothing that its channel rejects: a consumer, or an answer, that the broker has not confirmed
// when the application is closed. It would end the process.
const listeners = process.listeners('unhandledRejection');
process.removeAllListeners('unhandledRejection').on('unhandledRejection', (reason, promise) => {
  if (/^Error: Channel (closed|ended)/.test(String(reason))) return;
  for (const listener of listeners) listener.call(process, reason, promise);
});

await whereInstalled(missingRabbit(), async () => {
  const broker = await startRabbitBroker();
  afterAll(() => broker.stop());
  behaves(rmq(broker.url), areas);
});
