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

/** The part of it that is used here. */
interface Scripts {
  readonly SCRIPTS: Record<'enqueue' | 'settle', { readonly source: string }>;
  enqueue: (
    keys: { eventStream: string; producer: string; inbox: string },
    args: {
      batch: string;
      answerField: string;
      answerTtlMs: string;
      inboxNeeded: number;
      client: string;
      messages: string[];
    },
  ) => ScriptCall;
  settle: (
    keys: { eventStream: string; inboxes: string[] },
    args: {
      group: string;
      first: string;
      stop: string;
      inboxSettlements: { inbox: number; replies: string; ids: string[] }[];
    },
  ) => ScriptCall;
}
interface ScriptCall {
  readonly script: { readonly sha1: string };
  readonly keys: string[];
  readonly args: (string | number)[];
}
type Read = [string, [id: string, fields: string[]][]][] | null;
type Frame = [requestId: string, attempt: number, number: number, last: number, body: { response: unknown }];

async function loadScripts(redis: Redis): Promise<Scripts> {
  const scripts = (await import(GENERATED)) as Scripts;
  await redis.script('LOAD', scripts.SCRIPTS.enqueue.source);
  await redis.script('LOAD', scripts.SCRIPTS.settle.source);
  return scripts;
}

function run(redis: Redis, { script, keys, args }: ScriptCall): Promise<unknown> {
  return redis.evalsha(script.sha1, keys.length, ...keys, ...args);
}

/** The next id there can be. */
function after(id: string): string {
  const [time = '', number = ''] = id.split('-');
  return `${time}-${String(Number(number) + 1)}`;
}

async function startWorker(url: string, handled: (event: object) => void): Promise<BenchWorker> {
  const redis = new Redis(url);
  const reading = new Redis(url);
  const { settle } = await loadScripts(redis);
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
        const part = entries.slice(i, i + EARLY);
        const inboxes: string[] = [];
        // Events, and those that are answered into each inbox.
        const byInbox = [{ replies: [] as string[], ids: [] as string[] }];
        for (const [id, [, json = '', , replyTo = '']] of part) {
          const event = JSON.parse(json) as { action: string; payload: string };
          const requestId = /\d+/.exec(json)?.[0] ?? '';
          if (event.action === EVENT) {
            byInbox[0]?.ids.push(id);
            handled(event);
            continue;
          }
          const inbox = `bench(inbox):${replyTo}`;
          const number = inboxes.indexOf(inbox) + 1 || inboxes.push(inbox);
          const settlement = (byInbox[number] ??= { replies: [], ids: [] });
          const response = JSON.stringify({ response: JSON.parse(event.payload) as unknown });
          settlement.replies.push(`["${requestId}",1,0,1,${response}]`);
          settlement.ids.push(id);
        }
        const [first = '', stop] = [part[0]?.[0], after(part.at(-1)?.[0] ?? '')];
        const settlements = byInbox.map(({ replies, ids }, inbox) => {
          return { inbox, replies: inbox === 0 ? '' : `[${replies.join('\n,')}]`, ids };
        });
        const call = settle(
          { eventStream: STREAM, inboxes },
          { group: GROUP, first, stop, inboxSettlements: settlements.filter(({ ids }) => ids.length > 0) },
        );
        run(redis, call).catch(() => undefined);
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
  let enqueue: Scripts['enqueue'];
  let batchNumber = 0;
  let requestNumber = 1_000_000_000_000_000;
  // There are either requests or events.
  let address = '';
  let messages: string[] = [];
  let stored: Partial<Observer<unknown>>[] = [];
  let inFlight = 0;
  const waiting = new Map<string, Partial<Observer<unknown>>>();

  const flush = (): void => {
    while (messages.length > 0 && inFlight < WINDOW) {
      const [sent, observers] = [messages, stored];
      messages = [];
      stored = [];
      inFlight++;
      const batch = {
        batch: String(++batchNumber),
        answerField: String(batchNumber % WINDOW),
        answerTtlMs: '60000',
      };
      const call = enqueue(
        { eventStream: STREAM, producer: PRODUCER, inbox: INBOX },
        { ...batch, inboxNeeded: 60_000, client: address, messages: sent },
      );
      void run(redis, call).then(() => {
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
    if (messages.length === 0) {
      if (inFlight === 0) process.nextTick(flush);
      else setImmediate(flush);
    }
    messages.push(`{"request_uuid":${requestId},"timeout":60,"action":"${action}","payload":${payload}}`);
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
      ({ enqueue } = await loadScripts(redis));
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
  shares: true,
  waits: false,
  speaksTls: true,
  startBroker: startRedisBroker,
  startWorker,
  client,
};
