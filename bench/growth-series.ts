import { EVENT, PAYLOAD } from './payload.js';
import { ask, emit, type Cost, type Rig } from './growth-rig.js';

/** One thing that grows, and what is looked at while it does. */
export interface Series {
  readonly title: string;
  /** What grows. */
  readonly of: string;
  readonly sizes: readonly number[];
  readonly measure: (rig: Rig, size: number, ms: number) => Promise<Cost>;
}

const IN_FLIGHT = 64;
const QUEUE = 'bench';
const STREAM = `${QUEUE}(event_stream)`;

const WAITING = `for i = ARGV[1] + 1, ARGV[1] + ARGV[2] do
  redis.call('XADD', KEYS[1], '*', 'event', ARGV[3], 'reply_to', '')
end`;

/** An event as it is in the stream. */
export function storedEvent(action: string, payload: object): string {
  return JSON.stringify({ request_uuid: 1, timeout: 60_000, action, payload: JSON.stringify(payload) });
}

async function echo(rig: Rig, ms: number, data: object = PAYLOAD): Promise<Cost> {
  await rig.server(QUEUE);
  const client = await rig.client(QUEUE);
  return rig.measure([ask(client, data)], IN_FLIGHT, ms);
}

const series: readonly Series[] = [
  {
    title: 'Messages that wait',
    of: 'messages waiting before the ones that are sent',
    sizes: [0, 1_000, 10_000, 100_000, 1_000_000],
    async measure(rig, size, ms) {
      await rig.fill(WAITING, [STREAM], size, storedEvent(EVENT, PAYLOAD));
      await rig.server(QUEUE);
      const client = await rig.client(QUEUE);
      return rig.measure([emit(client, PAYLOAD)], 256, ms, () => rig.handled);
    },
  },
  {
    title: 'Payload',
    of: 'bytes of payload, each way',
    sizes: [100, 1_024, 4_096, 16_384, 65_536, 262_144],
    measure: (rig, size, ms) => echo(rig, ms, { text: 'x'.repeat(size - 11) }),
  },
  {
    title: 'Workers and clients',
    of: `workers, and as many clients with ${IN_FLIGHT} requests in flight each`,
    sizes: [1, 2, 4, 8, 16],
    async measure(rig, size, ms) {
      const calls = [];
      for (let i = 0; i < size; i++) {
        await rig.server(QUEUE);
        calls.push(ask(await rig.client(QUEUE), PAYLOAD));
      }
      return rig.measure(calls, IN_FLIGHT * size, ms);
    },
  },
  {
    title: 'Queues in one process',
    of: `queues, each with a worker and a client; ${IN_FLIGHT} requests in flight, but one at least for each`,
    sizes: [1, 10, 100, 1_000],
    async measure(rig, size, ms) {
      const calls = [];
      for (let i = 0; i < size; i++) {
        await rig.server(`${QUEUE}${i}`);
        calls.push(ask(await rig.client(`${QUEUE}${i}`), PAYLOAD));
      }
      return rig.measure(calls, Math.max(IN_FLIGHT, size), ms);
    },
  },
  {
    title: 'Pending entries',
    of: 'entries that another worker has in hand',
    sizes: [0, 100, 1_000, 10_000],
    async measure(rig, size, ms) {
      await rig.direct.xgroup('CREATE', STREAM, 'elkmq', '0', 'MKSTREAM');
      await rig.fill(WAITING, [STREAM], size, storedEvent(EVENT, PAYLOAD));
      // A lease of an hour: nobody takes them over meanwhile.
      const reader = ['GROUP', 'elkmq', 'other.1.3600000', 'COUNT', String(size), 'STREAMS', STREAM, '>'];
      if (size > 0) await rig.direct.call('xreadgroup', ...reader);
      return echo(rig, ms);
    },
  },
  {
    title: 'Dead letters',
    of: 'dead letters before the ones that are added',
    sizes: [0, 1_000, 10_000, 100_000],
    async measure(rig, size, ms) {
      const letters = `for i = ARGV[1] + 1, ARGV[1] + ARGV[2] do
        redis.call('ZADD', KEYS[1], ARGV[3], '1-' .. i)
        redis.call('HSET', KEYS[2], '1-' .. i, ARGV[4])
      end`;
      const keys = [`${QUEUE}(dead_letters)`, `${QUEUE}(dead_letter_bodies)`];
      await rig.fill(letters, keys, size, Date.now(), storedEvent('gone', PAYLOAD));
      await rig.server(QUEUE, { deadLetters: { max: 10_000_000 } });
      const client = await rig.client(QUEUE);
      let before = 0;
      const unhandled = () => {
        before++;
        return client.emit<unknown, object>('nobody.handles', PAYLOAD);
      };
      return rig.measure([unhandled], 32, ms, () => before);
    },
  },
];

export default series;
