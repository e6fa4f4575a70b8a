import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Observer } from 'rxjs';
import { EVENT } from '../payload.js';
import type { BenchClient, BenchTransport, BenchWorker } from './bench-transport.js';
import { startRedisBroker } from './redis-broker.js';

/*
 * The scripts of the package with as little around them as can be: no Nest, no timeouts, no reconnecting. What the
 * package cannot beat.
 */

const STREAM = 'bench(event_stream)';
const GROUP = 'elkmq';
const CLIENT = randomBytes(12).toString('base64url');
const INBOX = `bench(inbox):${CLIENT}`;
const PRODUCER = `bench(producer):${CLIENT}`;
const WINDOW = 8;
const EARLY = 32;
const COUNT = 128;
const BLOCK = 1_000;
/** No part of the package's interface. */
const GENERATED = new URL('../../../../libs/elkmq/dist/redis/scripts.generated.js', import.meta.url).href;

type Read = [string, [id: string, fields: string[]][]][] | null;
type Frame = [requestId: string, attempt: number, number: number, last: number, body: { response: unknown }];

async function scriptOf(redis: Redis, name: 'enqueue' | 'settle'): Promise<string> {
  const { SCRIPTS } = (await import(GENERATED)) as { SCRIPTS: Record<typeof name, { source: string }> };
  return (await redis.script('LOAD', SCRIPTS[name].source)) as string;
}

/** The next id there can be. */
function after(id: string): string {
  const [time = '', number = ''] = id.split('-');
  return `${time}-${String(Number(number) + 1)}`;
}

async function startWorker(url: string, handled: (event: object) => void): Promise<BenchWorker> {
  const redis = new Redis(url);
  const reading = new Redis(url);
  const settle = await scriptOf(redis, 'settle');
  await redis.xgroup('CREATE', STREAM, GROUP, '0', 'MKSTREAM').catch(() => undefined);
  let isClosed = false;
  const ask = (): Promise<unknown> =>
    reading.call('xreadgroup', 'GROUP', GROUP, 'raw', 'COUNT', COUNT, 'BLOCK', BLOCK, 'STREAMS', STREAM, '>');
  const read = async (): Promise<void> => {
    let ahead: Promise<unknown> | undefined;
    while (!isClosed) {
      const found = (await (ahead ?? ask())) as Read;
      const entries = found?.[0]?.[1] ?? [];
      ahead = entries.length === COUNT ? ask() : undefined;
      for (let i = 0; i < entries.length; i += EARLY) {
        const keys = [STREAM];
        const ids: string[] = [];
        const replies: string[] = [];
        for (const [id, [, json = '', , replyTo = '']] of entries.slice(i, i + EARLY)) {
          const event = JSON.parse(json) as { action: string; payload: string };
          const requestId = /\d+/.exec(json)?.[0] ?? '';
          ids.push(id);
          if (event.action === EVENT) {
            handled(event);
            continue;
          }
          // There is one client, which sends either requests or events.
          keys[1] = `bench(inbox):${replyTo}`;
          const response = JSON.stringify({ response: JSON.parse(event.payload) as unknown });
          replies.push(`["${requestId}",1,0,1,${response}]`);
        }
        const told = replies.length > 0 ? `[${replies.join('\n,')}]` : '';
        const args = [
          GROUP,
          ids[0] ?? '',
          after(ids.at(-1) ?? ''),
          told === '' ? 0 : 2,
          ids.length,
          told,
          ...ids,
        ];
        redis.evalsha(settle, keys.length, ...keys, ...args).catch(() => undefined);
      }
    }
  };
  const loop = read().catch(() => undefined);
  return {
    async close() {
      isClosed = true;
      redis.disconnect();
      reading.disconnect();
      await loop;
    },
  };
}

function client(url: string): BenchClient {
  const redis = new Redis(url);
  const reading = new Redis(url);
  let enqueue = '';
  let batchNumber = 0;
  let requestNumber = 1_000_000_000_000_000;
  // There are either requests or events.
  let address = '';
  let args: string[] = [];
  let stored: Partial<Observer<unknown>>[] = [];
  let inFlight = 0;
  const waiting = new Map<string, Partial<Observer<unknown>>>();

  const flush = (): void => {
    while (args.length > 0 && inFlight < WINDOW) {
      const [batch, observers] = [args, stored];
      args = [];
      stored = [];
      inFlight++;
      const head = [++batchNumber, batchNumber % WINDOW, 60_000, 60_000, address];
      void redis.evalsha(enqueue, 3, STREAM, PRODUCER, INBOX, ...head, ...batch).then(() => {
        inFlight--;
        for (const observer of observers) observer.complete?.();
        flush();
      });
    }
  };
  const add = (replyTo: string, action: string, data: object): string => {
    address = replyTo;
    const requestId = String(requestNumber++);
    const payload = JSON.stringify(JSON.stringify(data));
    if (args.length === 0) {
      if (inFlight === 0) process.nextTick(flush);
      else setImmediate(flush);
    }
    args.push(`{"request_uuid":${requestId},"timeout":60,"action":"${action}","payload":${payload}}`);
    return requestId;
  };
  const read = async (): Promise<void> => {
    for (let last = '0-0'; ;) {
      const found = (await reading.call(
        'xread',
        'COUNT',
        100,
        'BLOCK',
        BLOCK,
        'STREAMS',
        INBOX,
        last,
      )) as Read;
      const entries = found?.[0]?.[1] ?? [];
      if (entries.length === 0) continue;
      redis.xdel(INBOX, ...entries.map(([id]) => id)).catch(() => undefined);
      for (const [id, fields] of entries) {
        last = id;
        for (const [requestId, , , , { response }] of JSON.parse(fields[1] ?? '[]') as Frame[]) {
          const observer = waiting.get(requestId);
          waiting.delete(requestId);
          observer?.next?.(response);
          observer?.complete?.();
        }
      }
    }
  };
  return {
    async connect() {
      enqueue = await scriptOf(redis, 'enqueue');
      read().catch(() => undefined);
    },
    send: (pattern, data) => ({
      subscribe: (observer) => {
        waiting.set(add(CLIENT, pattern, data), observer);
        return undefined;
      },
    }),
    emit: (pattern, data) => ({
      subscribe: (observer) => {
        add('', pattern, data);
        stored.push(observer);
        return undefined;
      },
    }),
    close() {
      redis.disconnect();
      reading.disconnect();
    },
  };
}

export const rawLoop: BenchTransport = {
  title: 'raw loop',
  stores: true,
  keeps: 'as ElkMQ while nothing goes wrong: its scripts with ioredis, no Nest, no timeouts, no reconnecting',
  missing: () => undefined,
  startBroker: startRedisBroker,
  startWorker,
  client,
};
