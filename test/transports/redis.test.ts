import { areas } from './areas.js';
import { behaves } from './behaviour.js';
import { nestRedis } from './transport.js';

behaves(nestRedis, areas);
