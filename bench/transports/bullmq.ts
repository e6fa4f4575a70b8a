import { Queue, QueueEvents, Worker, type Job } from 'bullmq';
import { setTimeout as delay } from 'node:timers/promises';
import { defer } from 'rxjs';
import { ECHO } from '../payload.js';
import type { BenchClient, BenchTransport } from './bench-transport.js';
import { startRedisBroker } from './redis-broker.js';

const QUEUE = 'bench';
/** As many as an ElkMQ worker has in hand by default; BullMQ's own default is one. */
const CONCURRENCY = 256;
/**
 * Jobs that stay when they are done. None would be cheaper, but `waitUntilFinished` fails when the job is gone before it
 * looks. More than can be done between `add` and that look.
 */
const KEPT = 5_000;

function connectionTo(url: string): { host: string; port: number; tls?: object } {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname, port: Number(port), ...(protocol === 'rediss:' && { tls: {} }) };
}

function client(url: string): BenchClient {
  const connection = connectionTo(url);
  const queue = new Queue<object, unknown>(QUEUE, { connection });
  // Each job that is waited for adds one.
  queue.setMaxListeners(0);
  let events: QueueEvents | undefined;
  const request = async (pattern: string, data: object): Promise<unknown> => {
    // From the beginning: a job that is done before the first read of events would be waited for for ever.
    events ??= new QueueEvents(QUEUE, { connection, lastEventId: '0-0' });
    const job = await queue.add(pattern, data, { removeOnComplete: { count: KEPT } });
    return job.waitUntilFinished(events);
  };
  const add = async (pattern: string, data: object): Promise<unknown> => {
    // Who only adds does not listen either, which would cost it a read of every event of the queue.
    const listening = events;
    events = undefined;
    await listening?.close();
    return queue.add(pattern, data, { removeOnComplete: true });
  };
  return {
    connect: () => queue.waitUntilReady(),
    send: (pattern, data) => defer(() => request(pattern, data)),
    emit: (pattern, data) => defer(() => add(pattern, data)),
    async close() {
      await events?.close();
      await queue.close();
    },
  };
}

export const bullmq: BenchTransport = {
  title: 'BullMQ',
  stores: true,
  keeps: `stored in Redis until a worker has done it, handed to one worker; add and waitUntilFinished, no Nest, concurrency ${CONCURRENCY}, else its defaults`,
  missing: () => undefined,
  startBroker: startRedisBroker,
  shares: true,
  speaksTls: true,
  async startWorker(url, handled, { handlerMs, concurrency = CONCURRENCY }) {
    const work = async ({ name, data }: Job<object, object | undefined>): Promise<object | undefined> => {
      if (handlerMs > 0) await delay(handlerMs);
      if (name === ECHO) return data;
      handled(data);
      return undefined;
    };
    const worker = new Worker(QUEUE, work, { connection: connectionTo(url), concurrency });
    await worker.waitUntilReady();
    return worker;
  },
  client,
};
