import { ElkMqServer, type ElkMqContext } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { SCRIPTS } from '../../libs/elkmq/src/redis/scripts.generated.js';
import { entriesOf, eventsOf } from '../support/entries.js';
import { deadLettersOf, listening } from '../support/nest.js';
import { Proxy } from '../support/proxy.js';
import { closing, keysOf, newQueueName, redis, until, url } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

const REQUEST = '{"request_uuid":7,"timeout":60,"action":"late","payload":"1"}';
const FROM_TESTER = ['reply_to', 'tester'];
const EVENT = ['reply_to', ''];

/** A message that is being handled. */
async function handling(fields: string[], isEvent: boolean, extras: Record<string, unknown> = {}) {
  const queue = newQueueName();
  const stream = `${queue}(event_stream)`;
  const inbox = `${queue}(inbox):tester`;
  await redis.xadd(inbox, '*', 'created', '');
  await redis.expire(inbox, 60);
  let end: ((act: (context: ElkMqContext) => unknown) => void) | undefined;
  const server = new ElkMqServer({ queue, url });
  const handler = async (_data: unknown, context: ElkMqContext): Promise<unknown> => {
    const act = await new Promise<(context: ElkMqContext) => unknown>((resolve) => (end = resolve));
    return act(context);
  };
  server.addHandler('late', handler, isEvent, extras);
  await listening(server);
  await redis.xadd(stream, '*', 'event', REQUEST, ...fields);
  await until(() => end !== undefined);
  const [{ id } = { id: '' }] = await eventsOf(queue);
  return {
    queue,
    id,
    /** As a worker does that gives the message to another, or up. */
    takeAway: () => Promise.all([redis.xdel(stream, id), redis.xack(stream, 'elkmq', id)]),
    /** Has the handler end so, and waits until the worker is done with it. */
    endBy: (act: (context: ElkMqContext) => unknown) => {
      end?.(act);
      return server.close();
    },
    /** Does what happens when the client closes, or when the TTL of its inbox is over. */
    removeInbox: () => redis.del(inbox),
    replies: async () => (await entriesOf(inbox)).filter(({ fields: [name] }) => name === 'replies'),
  };
}

function fail(): never {
  throw new Error('too late');
}

describe('when a message has been taken away from a worker, nothing comes of what its handler does then:', () => {
  const retry = { retry: { attempts: 5, backoff: 60_000 } };
  it.each<[string, string[], boolean, Record<string, unknown>, (context: ElkMqContext) => unknown]>([
    ['it answers a request', FROM_TESTER, false, {}, () => 'late'],
    ['it answers a deduplicated request', [...FROM_TESTER, 'deduplication', 'k'], false, {}, () => 'late'],
    ['it answers a request of an original client', [], false, {}, () => 'late'],
    ['it fails an event', EVENT, true, {}, fail],
    ['it fails an event that is to be tried again', EVENT, true, retry, fail],
    ['it wants a request to be tried again', FROM_TESTER, false, {}, (context) => context.retry(60_000)],
    ['it rejects a request', FROM_TESTER, false, {}, (context) => context.deadLetter('late')],
  ])('%s', async (_what, fields, isEvent, extras, act) => {
    const message = await handling(fields, isEvent, extras);
    await message.takeAway();
    await message.endBy(act);
    expect(await message.replies()).toEqual([]);
    expect(await keysOf(message.queue)).toEqual({ '(event_stream)': 'stream', '(inbox):tester': 'stream' });
    expect(await eventsOf(message.queue)).toEqual([]);
  });
});

describe('a client that has gone takes no space: its reply is written nowhere when', () => {
  it.each<[string, string[], (context: ElkMqContext) => unknown]>([
    ['its request is answered', FROM_TESTER, () => 'late'],
    ['its deduplicated request is answered', [...FROM_TESTER, 'deduplication', 'k'], () => 'late'],
    ['its request is rejected', FROM_TESTER, (context) => context.deadLetter('late')],
    ['its request is put off', FROM_TESTER, (context) => context.retry(60_000)],
  ])('%s', async (_what, fields, act) => {
    const message = await handling(fields, false);
    await message.removeInbox();
    await message.endBy(act);
    expect(Object.keys(await keysOf(message.queue))).not.toContain('(inbox):tester');
    expect(await eventsOf(message.queue)).toEqual([]);
    expect((await redis.xpending(`${message.queue}(event_stream)`, 'elkmq'))[0]).toBe(0);
  });
});

describe('a late success', () => {
  it.each([
    ['withdraws the dead letter of a message that was abandoned', 'abandoned', 0],
    ['leaves any other dead letter', 'exhausted', 1],
  ])('%s', async (_what, reason, left) => {
    const { queue, id, takeAway, endBy } = await handling(EVENT, true);
    await takeAway();
    await redis.zadd(`${queue}(dead_letters)`, Date.now(), id);
    await redis.hset(`${queue}(dead_letter_bodies)`, id, JSON.stringify({ reason, origin: id }));
    await endBy(() => undefined);
    expect(await redis.zcard(`${queue}(dead_letters)`)).toBe(left);
    expect(await redis.hlen(`${queue}(dead_letter_bodies)`)).toBe(left);
  });
});

describe('requests that are answered in the same moment as one that was taken away', () => {
  const [FIRST, TAKEN, LAST] = ['1', '2', '3'] as const;

  it.each<[string, (stream: string, id: string) => Promise<unknown>, string[]]>([
    [
      'get their answers, that one does not',
      (stream, id) => Promise.all([redis.xdel(stream, id), redis.xack(stream, 'elkmq', id)]),
      [FIRST, LAST],
    ],
    [
      'get theirs and so does that one, when only its group has gone',
      (stream) => redis.xgroup('DESTROY', stream, 'elkmq'),
      [FIRST, TAKEN, LAST],
    ],
    [
      'get theirs and that one does not, when the group has gone as well',
      (stream, id) => Promise.all([redis.xdel(stream, id), redis.xgroup('DESTROY', stream, 'elkmq')]),
      [FIRST, LAST],
    ],
  ])('%s', async (_what, takeAway, answered) => {
    const queue = newQueueName();
    const stream = `${queue}(event_stream)`;
    const inboxes = ['tester', 'other'].map((client) => `${queue}(inbox):${client}`);
    for (const inbox of inboxes) {
      await redis.xadd(inbox, '*', 'created', '');
      await redis.expire(inbox, 60);
    }
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    let running = 0;
    const server = new ElkMqServer({ queue, url });
    server.addHandler('late', async (payload: unknown) => {
      running++;
      await gate;
      return `${String(payload)}\n,`;
    });
    await listening(server);
    const send = (payload: string, client: string) =>
      redis.xadd(
        stream,
        '*',
        'event',
        JSON.stringify({ request_uuid: 7, timeout: 60, action: 'late', payload }),
        'reply_to',
        client,
      );
    await send(FIRST, 'tester');
    const taken = await send(TAKEN, 'tester');
    await send(LAST, 'tester');
    await send(FIRST, 'other');
    await until(() => running === 4);
    await takeAway(stream, String(taken));
    open?.();
    await server.close();

    const answersIn = async (inbox: string) =>
      (await entriesOf(inbox))
        .filter(({ fields: [name] }) => name === 'replies')
        .flatMap(({ fields: [, replies] }) => JSON.parse(replies ?? '') as unknown[][])
        .map(([, , , , body]) => (body as { response: unknown }).response);
    expect(await answersIn(inboxes[0] ?? '')).toEqual(answered.map((payload) => `${payload}\n,`));
    expect(await answersIn(inboxes[1] ?? '')).toEqual([`${FIRST}\n,`]);
    expect(await eventsOf(queue)).toEqual([]);
  });
});

it.each<[string, string, string[]]>([
  ['an event', 'settle', EVENT],
  ['a deduplicated request', 'settleDeduplicated', [...FROM_TESTER, 'deduplication', 'k']],
  ['an event of an original client', 'answerLegacy', []],
])(
  'a success that did not come through before others gave the message up withdraws the dead letter: %s',
  async (_what, script, fields) => {
    const proxy = closing(await Proxy.before(url));
    const queue = newQueueName();
    let end: (() => void) | undefined;
    const cutOff = new ElkMqServer({ queue, url: proxy.url, lease: 200 });
    const isEvent = script !== 'settleDeduplicated';
    cutOff.addHandler('late', () => new Promise<void>((resolve) => (end = resolve)), isEvent);
    await listening(cutOff);
    await redis.xadd(`${queue}(event_stream)`, '*', 'event', REQUEST, ...fields);
    await until(() => end !== undefined);
    proxy.loseRequests(new RegExp(SCRIPTS[script as keyof typeof SCRIPTS].sha1));
    proxy.leadTo('redis://127.0.0.1:1');
    end?.();
    await until(() => proxy.lost === 1);
    await startWorker({ queue, url, lease: 200 });
    await until(async () => (await deadLettersOf(queue)).length === 1);
    proxy.leadTo(url);
    await until(async () => (await deadLettersOf(queue)).length === 0);
  },
);
