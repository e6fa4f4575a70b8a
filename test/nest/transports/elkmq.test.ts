import { url } from '../../support/queue.js';
import { areas } from './areas.js';
import { behaves } from './behaviour.js';
import { elkmq } from './transport.js';

behaves(elkmq(url), areas);
