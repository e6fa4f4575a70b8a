import { nats as broker } from '../../bench/transports/nats.js';
import { areas } from './areas.js';
import { behaves } from './behaviour.js';
import { nats, whereInstalled } from './brokers.js';

await whereInstalled(broker.missing(), () => behaves(nats, areas));
