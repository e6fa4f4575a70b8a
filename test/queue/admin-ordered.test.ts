import { EventQueue, QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { closing, newQueueName, redis, rejection, url } from '../support/queue.js';

interface Ordered {
  readonly queue: string;
  readonly events: EventQueue;
  readonly admin: QueueAdmin;
  /** The origins of the events, in the order in which they were stored. */
  readonly ids: string[];
}

/** Stores so many events with the key `k`. Their payloads are 0, 1, 2, … */
async function storeOrdered(count: number, padding = ''): Promise<Ordered> {
  const queue = newQueueName();
  const events = closing(new EventQueue(queue, url));
  const admin = closing(new QueueAdmin(queue, url));
  await storeMore(events, count, 'k', padding);
  return { queue, events, admin, ids: await originsOf(queue, 'k') };
}

function storeMore(events: EventQueue, count: number, orderingKey: string, padding = ''): Promise<unknown> {
  const payloads = Array.from({ length: count }, (_, n) => `${String(n)}${padding}`);
  return Promise.all(
    payloads.map((payload) => events.enqueue(new ServiceEvent(60, 'step', payload), { orderingKey })),
  );
}

/** The origins of the messages of a lane, whose first one is in the stream with its first id. */
async function originsOf(queue: string, key: string): Promise<string[]> {
  const script = `
    local origins = { string.match(redis.call('HGET', KEYS[1], ARGV[1]), '^%S+') }
    for number = 1, redis.call('HLEN', KEYS[2]) do
      local fields = cmsgpack.unpack(redis.call('HGET', KEYS[2], number .. ' ' .. ARGV[1]))
      for i = 1, #fields, 2 do if fields[i] == 'origin' then origins[number + 1] = fields[i + 1] end end
    end
    return origins`;
  return (await redis.eval(script, 2, `${queue}(lanes)`, `${queue}(lane_bodies)`, key)) as string[];
}

/** Takes all messages that can be taken, one after the other. */
async function takeAll({ events }: Ordered, count: number): Promise<(string | null)[]> {
  const payloads = [];
  for (let n = 0; n < count; n++) payloads.push((await events.dequeue())[1].payload);
  return payloads;
}

async function blockedKeys({ admin }: Ordered): Promise<{ key: string; waiting: number }[]> {
  const all = [];
  for await (const { key, waiting } of admin.blockedKeys()) all.push({ key, waiting });
  return all;
}

/** What is in the keys of lanes. */
async function lanesOf(queue: string): Promise<[Record<string, string>, number]> {
  return [await redis.hgetall(`${queue}(lanes)`), await redis.hlen(`${queue}(lane_bodies)`)];
}

describe('messages that wait behind another one of their ordering key', () => {
  it('are read in pages, each once, with all that they have', async () => {
    const { admin, ids } = await storeOrdered(601);
    const seen = [];
    let after: string | undefined;
    do {
      const page = await admin.messages('ordered', { limit: 7, after });
      expect(page.messages.length).toBeLessThanOrEqual(7);
      seen.push(...page.messages);
      after = page.next;
    } while (after !== undefined);
    expect(seen.map(({ origin }) => origin).sort()).toEqual(ids.slice(1).sort());
    const second = seen.find(({ origin }) => origin === ids[1]);
    expect(second).toMatchObject({
      state: 'ordered',
      id: ids[1],
      payload: 1,
      orderingKey: 'k',
      attempt: 1,
      storedAt: Number.parseInt(String(ids[1])),
      isRequest: false,
    });
    expect((await admin.messages('waiting')).messages).toMatchObject([{ id: ids[0], orderingKey: 'k' }]);
  });

  it('are read in pages of few, however large they are', async () => {
    const { admin, ids } = await storeOrdered(6, 'x'.repeat(500_000));
    const page = await admin.messages('ordered', { limit: 5 });
    expect(page.messages.map(({ origin }) => origin).sort()).toEqual(ids.slice(1).sort());
  });

  it('are found by their origin', async () => {
    const { admin, ids } = await storeOrdered(300);
    expect(await admin.message(String(ids[299]))).toMatchObject({ state: 'ordered', payload: 299 });
    expect(await admin.message('1-1')).toBeUndefined();
  });

  it('are searched, also by their key', async () => {
    const ordered = await storeOrdered(3);
    const { admin, events } = ordered;
    await storeMore(events, 2, 'other');
    const search = async (key: string): Promise<unknown[]> => {
      const found = [];
      for await (const step of admin.search({ key }))
        found.push(...step.found.map(({ state, payload }) => [state, payload]));
      return found;
    };
    expect(await search('k')).toEqual([
      ['waiting', 0],
      ['ordered', 1],
      ['ordered', 2],
    ]);
    expect(await search('other')).toEqual([
      ['waiting', 0],
      ['ordered', 1],
    ]);
    expect(await search('nobody')).toEqual([]);
    for await (const { total } of admin.search({})) expect(total).toBe(5);
  });

  it.each([
    ['the first', [1], ['0', '2', '3', '4']],
    ['the last', [4], ['0', '1', '2', '3']],
    ['one in the middle', [2], ['0', '1', '3', '4']],
    ['all but one', [4, 2, 1], ['0', '3']],
    ['all', [3, 1, 4, 2], ['0']],
  ])('are removed, %s of them, and the others keep their order', async (_, removed, rest) => {
    const ordered = await storeOrdered(5);
    const { queue, admin, ids, events } = ordered;
    expect(await admin.remove(removed.map((n) => String(ids[n])))).toBe(removed.length);
    expect((await events.state()).behindKeys).toBe(rest.length - 1);
    expect((await admin.messages('ordered')).messages).toHaveLength(rest.length - 1);
    expect(await events.state()).toMatchObject({ blockedKeys: rest.length > 1 ? 1 : 0 });
    await storeMore(events, 1, 'k', ' more');
    expect(await takeAll(ordered, rest.length + 1)).toEqual([...rest, '0 more']);
    expect(await lanesOf(queue)).toEqual([{}, 0]);
  });

  it('are counted rightly for their key when the first or last of them are removed', async () => {
    const ordered = await storeOrdered(6);
    const { admin, ids } = ordered;
    await admin.remove([ids[2], ids[4]].map(String));
    await admin.remove([ids[1], ids[5]].map(String));
    expect(await blockedKeys(ordered)).toEqual([{ key: 'k', waiting: 1 }]);
    expect(await takeAll(ordered, 2)).toEqual(['0', '3']);
  });

  it('are removed together with waiting ones, each counted once, and others stay', async () => {
    const ordered = await storeOrdered(4);
    const { admin, ids } = ordered;
    expect(await admin.remove([...ids.slice(2), ...ids.slice(2), '1-1'].map(String))).toBe(2);
    expect(await admin.remove(ids.slice(2).map(String))).toBe(0);
    expect(await takeAll(ordered, 2)).toEqual(['0', '1']);
  });

  it('let the next one go on when the first of the key was removed by its id meanwhile', async () => {
    const ordered = await storeOrdered(4);
    const { admin, ids } = ordered;
    expect(await admin.remove([ids[0], ids[2]].map(String))).toBe(2);
    expect(await takeAll(ordered, 2)).toEqual(['1', '3']);
  });

  it('are removed where somebody has deleted the lane by hand', async () => {
    const { queue, admin, ids } = await storeOrdered(3);
    await redis.del(`${queue}(lanes)`);
    expect(await admin.remove(ids.slice(1))).toBe(2);
    expect(await lanesOf(queue)).toEqual([{}, 0]);
  });

  it('are read although others in their hash are of no known form', async () => {
    const { queue, admin, ids } = await storeOrdered(2);
    await redis.hset(`${queue}(lane_bodies)`, '7 k', 'text', 'nothing', '\xc1', '8 k', '');
    expect((await admin.messages('ordered')).messages).toMatchObject([{ origin: ids[1] }]);
  });

  it('are not read from a place of another kind', async () => {
    const { admin } = await storeOrdered(1);
    expect(await rejection(admin.messages('ordered', { after: '5-x' }))).toMatchObject({
      message: 'after must be `next` of a page, got "5-x"',
    });
    expect(await rejection(admin.purge('ordered'))).toMatchObject({
      message: 'state must be one of waiting, delayed, dead, got "ordered"',
    });
  });
});
