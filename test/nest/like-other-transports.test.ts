import { url } from '../support/queue.js';
import { areas } from '../transports/areas.js';
import { behaves } from '../transports/behaviour.js';
import { elkmq } from '../transports/transport.js';

behaves(elkmq(url), areas);
