import { ElkMqServer } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { ALL_CHANNELS } from '../support/rights.js';
import { putBack } from '../support/entries.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { listening } from '../support/nest.js';
import { newQueueName, redis, redisMajor, until, url } from '../support/queue.js';

const GROUP = 'elkmq';
/** A worker reads one event first, and then eight at a time. */
const COUNT = 1 + 3 * 8;

/** A queue with `COUNT` events, and its stream. */
async function waitingEvents(client = redis) {
  const stream = `${newQueueName()}(event_stream)`;
  await client.xgroup('CREATE', stream, GROUP, '0', 'MKSTREAM');
  const ids: string[] = [];
  for (let number = 0; number < COUNT; number++) {
    const json = `{"request_uuid":${String(number)},"timeout":60,"action":"note","payload":"${String(number)}"}`;
    ids.push(String(await client.xadd(stream, '*', 'event', json, 'reply_to', '')));
  }
  return { queue: stream.slice(0, -'(event_stream)'.length), stream, ids };
}

/** Starts a worker that notes the numbers it has handled; `handle` may make it wait. */
async function startNoting(queue: string, options: object = { url }, handle?: (number: number) => unknown) {
  const handled: number[] = [];
  const worker = new ElkMqServer({ queue, ...options });
  worker.addHandler(
    'note',
    async (number: number) => {
      await handle?.(number);
      handled.push(number);
    },
    true,
  );
  await listening(worker);
  return handled;
}

async function idsIn(stream: string, client = redis): Promise<string[]> {
  return (await client.xrange(stream, '-', '+')).map(([id]) => id);
}

async function calls(command: string, client: typeof redis): Promise<number> {
  return Number(
    new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await client.info('commandstats'))?.[1] ?? 0,
  );
}

describe('events of one read that are handled together', () => {
  it.skipIf(redisMajor >= 7)('are deleted one by one before Redis 7', async () => {
    const { queue, stream } = await waitingEvents();
    await startNoting(queue);
    await until(async () => (await redis.xlen(stream)) === 0);
    expect((await redis.xpending(stream, GROUP))[0]).toBe(0);
  });

  it.skipIf(redisMajor < 7)('are trimmed when nothing older is left', async () => {
    const client = clientOf(await ownRedis());
    const { queue, stream } = await waitingEvents(client);
    await startNoting(queue, { redis: client.options });
    await until(async () => (await client.xlen(stream)) === 0);
    expect(await client.xpending(stream, GROUP)).toEqual([0, null, null, null]);
    expect(await calls('xtrim', client)).toBeGreaterThan(0);
    // Entries of two reads that end in the same tick are no contiguous range: how many such ticks there are depends on
    // the machine.
    expect(await calls('xdel', client)).toBeLessThan(COUNT);
  });

  it('go without an older one that another worker has in hand', async () => {
    const { queue, stream, ids } = await waitingEvents();
    await redis.xreadgroup('GROUP', GROUP, 'elsewhere.1.60000', 'COUNT', 1, 'STREAMS', stream, '>');
    const handled = await startNoting(queue);
    await until(async () => (await redis.xlen(stream)) === 1);
    expect(await idsIn(stream)).toEqual([ids[0]]);
    expect((await redis.xpending(stream, GROUP))[0]).toBe(1);
    expect(handled).toHaveLength(COUNT - 1);
  });

  it('go without an older one that is kept, though no worker has it any more', async () => {
    const { queue, stream, ids } = await waitingEvents();
    await redis.xreadgroup('GROUP', GROUP, 'elsewhere.1.60000', 'COUNT', 1, 'STREAMS', stream, '>');
    await redis.xack(stream, GROUP, ids[0] as string);
    await startNoting(queue);
    await until(async () => (await redis.xlen(stream)) === 1);
    expect(await idsIn(stream)).toEqual([ids[0]]);
  });

  it('go without one among them that is still being handled', async () => {
    const { queue, stream, ids } = await waitingEvents();
    let finish: (() => void) | undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const handled = await startNoting(queue, { url }, (number) => (number === 5 ? finished : undefined));
    await until(async () => (await redis.xlen(stream)) === 1);
    expect(await idsIn(stream)).toEqual([ids[5]]);
    finish?.();
    await until(async () => (await redis.xlen(stream)) === 0);
    expect(handled.sort((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, number) => number));
  });

  it('go one by one where Redis cannot trim so, as before 6.2', async () => {
    const client = clientOf(await ownRedis());
    await client.call('ACL', 'SETUSER', 'service', 'on', '>pw', '~*', ...ALL_CHANNELS, '+@all', '-xtrim');
    const { queue, stream } = await waitingEvents(client);
    const handled = await startNoting(queue, {
      redis: { ...client.options, username: 'service', password: 'pw' },
    });
    await until(async () => (await client.xlen(stream)) === 0);
    expect(handled).toHaveLength(COUNT);
    expect(await calls('xdel', client)).toBeGreaterThan(0);
  });
});

describe('requests that are settled together', () => {
  /** Four pending requests of one client, and the call that settles all of them. */
  async function pendingRequests() {
    const { queue, stream, ids } = await waitingEvents();
    const inbox = `${queue}(inbox):client`;
    await redis.xdel(inbox, (await redis.xadd(inbox, '*', 'created', '')) as string);
    await redis.xreadgroup('GROUP', GROUP, 'w.1.60000', 'COUNT', 4, 'STREAMS', stream, '>');
    const settled = ids.slice(0, 4);
    const inboxSettlements = [{ inbox: 1, replies: '[1\n,2\n,3\n,4]', ids: settled }];
    const keys = { eventStream: stream, inboxes: [inbox] };
    const call = scripts.settle(keys, { group: GROUP, first: '', stop: '', inboxSettlements, pushes: '' });
    const settle = () => runScript(redis, call);
    const replies = async () =>
      (await redis.xrange(inbox, '-', '+')).map(([, [, text = '']]) => JSON.parse(text) as number[]);
    return { queue, stream, ids: settled, settle, replies };
  }

  it('are answered once, also when the call is repeated', async () => {
    const { stream, ids, settle, replies } = await pendingRequests();
    expect(await settle()).toEqual([]);
    expect(await replies()).toEqual([[1, 2, 3, 4]]);
    expect(await settle()).toEqual(ids);
    expect(await replies()).toEqual([[1, 2, 3, 4]]);
    expect(await redis.xlen(stream)).toBe(COUNT - 4);
  });

  it('are answered but for those that others have taken away', async () => {
    const { queue, ids, settle, replies } = await pendingRequests();
    await putBack(queue, ids[1] as string, 1);
    expect(await settle()).toEqual([ids[1]]);
    expect(await replies()).toEqual([[1, 3, 4]]);
  });
});
