import { Logger } from '@nestjs/common';
import { endWithParent, tellParent } from './parent.js';
import { transportOfThisProcess } from './process-arguments.js';

/** The worker process: answers every request with its payload, and counts the events. */

/** Until so many events have been handled since the process began. */
export interface Count {
  readonly events: number;
}

export interface Counted {
  readonly events: number;
  /** When the last of them was handled, ms since 1970. */
  readonly at: number;
}

/** After so long without another event the missing ones are taken for lost. */
const LOST_MS = 15_000;

Logger.overrideLogger(['error', 'fatal']);
let events = 0;
let awaited = Infinity;
let lost: NodeJS.Timeout | undefined;

function answer(): void {
  clearTimeout(lost);
  awaited = Infinity;
  tellParent({ events, at: performance.timeOrigin + performance.now() } satisfies Counted);
}

function answerWhenLost(before: number): void {
  lost = setTimeout(() => {
    if (events === before) answer();
    else answerWhenLost(events);
  }, LOST_MS);
}

const { transport, url } = await transportOfThisProcess();
const worker = await transport.startWorker(url, () => {
  if (++events >= awaited) answer();
});
process.on('message', (count: Count) => {
  awaited = count.events;
  if (events >= awaited) answer();
  else answerWhenLost(events);
});
endWithParent(() => worker.close());
tellParent('ready');
