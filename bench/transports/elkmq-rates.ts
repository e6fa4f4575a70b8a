import { RateCounter } from 'elkmq/internal';
import type { BenchTransport } from './bench-transport.js';
import { elkmq } from './elkmq.js';

/** ElkMQ that counts nothing for its rates. No option does that: it shows the price of counting. */
export const uncounted: BenchTransport = {
  ...elkmq,
  title: 'ElkMQ, rates not counted',
  startWorker(url, handled, conditions) {
    stopCounting();
    return elkmq.startWorker(url, handled, conditions);
  },
  client(url) {
    stopCounting();
    return elkmq.client(url);
  },
};

/** It holds for the whole process, which has one transport. What is never counted is never told to Redis. */
function stopCounting(): void {
  const countNothing = (): void => undefined;
  for (const name of ['countStored', 'countHandled', 'countRetried', 'countDead', 'countExpired'] as const)
    RateCounter.prototype[name] = countNothing;
}
