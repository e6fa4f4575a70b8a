import { Logger } from '@nestjs/common';
import { endWithParent, tellParent } from './parent.js';
import { transportOfThisProcess } from './process-arguments.js';

/** The worker process: answers every request with its payload, and counts the events. */

/** The answer to each message of the parent. */
export interface Counted {
  /** How many have been handled since the process began. */
  readonly events: number;
  /** When the last of them was handled, ms since 1970. */
  readonly at: number;
}

Logger.overrideLogger(['error', 'fatal']);
let events = 0;
let at = 0;

const { transport, url, conditions } = await transportOfThisProcess();
const worker = await transport.startWorker(
  url,
  () => {
    events++;
    at = performance.now();
  },
  conditions,
);
process.on('message', () => {
  tellParent({ events, at: performance.timeOrigin + at } satisfies Counted);
});
endWithParent(() => worker.close());
tellParent('ready');
