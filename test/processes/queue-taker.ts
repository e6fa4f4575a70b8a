// A consumer of `EventQueue` alone that takes one event, and may never get it.
import { EventQueue } from 'nestjs-elkmq';
import { endWithParent, tellParent } from './parent.js';

const [url = '', name = ''] = process.argv.slice(2);
const queue = new EventQueue(name, url);
queue.dequeueBlocking(0).then(
  ([, event]) => {
    tellParent({ taken: event.payload });
  },
  () => undefined,
);
endWithParent(() => queue.close());
tellParent({ ready: true });
