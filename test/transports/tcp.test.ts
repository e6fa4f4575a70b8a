import { areas } from './areas.js';
import { behaves } from './behaviour.js';
import { tcp } from './transport.js';

behaves(tcp, areas);
