import { ElkMqRecordBuilder, QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { Topic } from 'elkmq';
import type { ActionRecord, ConsoleAction } from 'elkmq-console';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ask, change, startClosableConsole, startConsole } from '../support/console.js';
import { deadLetter, writeLetters } from '../support/dead-letters.js';
import { startClient, told } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, newQueueName, redis, until, url } from '../support/queue.js';
import { writeMinute } from '../support/rates.js';
import { unhandledRejections } from '../support/unhandled-rejections.js';
import { startWorker } from '../support/workers.js';

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** Keeps the warnings of the process from its output. */
function mockWarnings() {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  onTestFinished(() => {
    warn.mockRestore();
  });
  return warn;
}

function adminOf(queue: string): QueueAdmin {
  return closing(new QueueAdmin(queue, url));
}

describe('the API of the console', () => {
  it('lists the queues of Redis with their states, also one that Redis refuses to tell of', async () => {
    const server = await ownRedis();
    const admin = closing(new QueueAdmin('orders', server.url));
    await admin.enqueue(new ServiceEvent(60, 'a', '1'));
    await clientOf(server).set('broken(event_stream)', 'no stream');
    const address = await startConsole({ redis: server.adminUrl });
    const { json } = await ask(`${address}api/queues`);
    expect(json).toMatchObject({
      queues: [
        { name: 'broken', error: expect.stringContaining('WRONGTYPE') as string },
        { name: 'orders', waiting: 1, running: 0, workers: 0 },
      ],
      isComplete: true,
      readOnly: false,
    });
  });

  it('tells one queue and its workers, and all workers', async () => {
    const queue = newQueueName();
    await startWorker({ queue, concurrency: 3 }, { sum: () => Promise.resolve(1) });
    const address = await startConsole({ queues: [queue] });
    const worker = { queue, concurrency: 3, handlers: ['sum'], pid: process.pid };
    const one = await ask(`${address}api/queue?queue=${queue}`);
    expect(one.json).toMatchObject({ name: queue, workers: 1, workerList: [worker] });
    expect((await ask(`${address}api/workers`)).json).toMatchObject({ workers: [worker] });
  });

  it('tells how many messages were handled in each minute of the last hour, and the state without that', async () => {
    const queue = newQueueName();
    await writeMinute(queue, Date.now() - 30 * MINUTE, '9 7 0 0 0 700 400');
    const address = await startConsole({ queues: [queue] });
    const { json } = await ask(`${address}api/queues`);
    const [{ handled } = { handled: [] }] = json['queues'] as { handled: number[] }[];
    expect(handled).toHaveLength(60);
    expect(handled.filter((count) => count > 0)).toEqual([7]);
    await redis.set(`${queue}(rates)`, 'no hash');
    expect((await ask(`${address}api/queue?queue=${queue}`)).json).toMatchObject({ waiting: 0, handled: [] });
  });

  it('tells the rates of 1, 24 or 48 hours, each point of so many minutes', async () => {
    const queue = newQueueName();
    const time = Date.now() - 30 * MINUTE;
    await writeMinute(queue, time, '9 7 1 2 1 700 400');
    await writeMinute(queue, time - 120 * MINUTE, '5 5 0 0 0 5000 2000');
    const address = await startConsole();
    const counts: unknown[] = [];
    for (const hours of [1, 24, 48]) {
      const { json } = await ask(`${address}api/rates?queue=${queue}&hours=${String(hours)}`);
      const points = json['points'] as { handled: number; meanTime: number | null }[];
      const busy = points
        .filter(({ handled }) => handled > 0)
        .map(({ handled, meanTime }) => [handled, meanTime]);
      counts.push([json['minutesPerPoint'], points.length, busy]);
    }
    expect(counts).toEqual([
      [1, 60, [[7, 100]]],
      [
        10,
        144,
        [
          [5, 1_000],
          [7, 100],
        ],
      ],
      [
        20,
        144,
        [
          [5, 1_000],
          [7, 100],
        ],
      ],
    ]);
    const { json } = await ask(`${address}api/rates?queue=${queue}&hours=1`);
    expect(json['points']).toContainEqual({
      ...{ time: Math.floor(time / MINUTE) * MINUTE, stored: 9, handled: 7, retried: 1, dead: 2, expired: 1 },
      ...{ meanTime: 100, longestTime: 400 },
    });
    expect(await ask(`${address}api/rates?queue=${queue}&hours=2`)).toMatchObject({
      status: 400,
      json: { error: 'hours must be 1, 24 or 48, got 2' },
    });
  });

  it('sends messages in pages, with the beginning of the payload', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    const long = JSON.stringify('x'.repeat(1_000));
    const first = await admin.enqueue(new ServiceEvent(60, 'a', long));
    const second = await admin.enqueue(new ServiceEvent(60, 'b', '2'));
    const address = await startConsole();
    const page = await ask(`${address}api/messages?queue=${queue}&limit=1`);
    expect(page.json).toMatchObject({
      messages: [{ id: first, pattern: 'a', payload: `${long.slice(0, 200)}…`, payloadLength: 1_002 }],
      next: first,
    });
    const next = await ask(`${address}api/messages?queue=${queue}&state=waiting&after=${first}`);
    expect(next.json).toMatchObject({ messages: [{ id: second, payload: '2' }] });
    expect(next.json['next']).toBeUndefined();
  });

  it('sends one message whole, with numbers as they are in Redis', async () => {
    const queue = newQueueName();
    const payload = '{"id":12345678901234567890123,"amount":1.10}';
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const id = await adminOf(queue).enqueue(new ServiceEvent(60, 'a', payload), {
      headers: { traceparent, tenant: 'acme' },
    });
    const address = await startConsole();
    const { json } = await ask(`${address}api/message?queue=${queue}&id=${id}`);
    expect(json).toMatchObject({
      state: 'waiting',
      payload,
      headers: { tenant: 'acme' },
      traceId: '0af7651916cd43dd8448eb211c80319c',
    });
    const gone = await ask(`${address}api/message?queue=${queue}&id=1-1`);
    expect([gone.status, gone.json['error']]).toEqual([404, expect.stringContaining('The message 1-1')]);
  });

  it('sends a dead letter with its error, and its stack only with the whole message', async () => {
    const queue = newQueueName();
    const error = { name: 'TypeError', message: 'no total', stack: 'TypeError: no total\n at sum' };
    const letter = { ...deadLetter(1), error };
    await writeLetters(queue, [letter]);
    const address = await startConsole();
    const list = await ask(`${address}api/messages?queue=${queue}&state=dead`);
    expect(list.json['messages']).toMatchObject([{ reason: 'failed', error: { message: 'no total' } }]);
    expect(list.text).not.toContain('at sum');
    const whole = await ask(`${address}api/message?queue=${queue}&id=${letter.origin}`);
    expect(whole.json).toMatchObject({ state: 'dead', reason: 'failed', error, diedAt: letter.lastAt });
  });

  it('sends the steps of a search as lines, which say how far it is', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    for (const number of [1, 2, 3])
      await admin.enqueue(new ServiceEvent(60, 'order.placed', `{"id":${String(number)}}`), {
        headers: { tenant: number === 2 ? 'acme' : 'other' },
      });
    const address = await startConsole();
    const search = async (query: string): Promise<{ found: { payload: string }[]; searched: number }[]> => {
      const { text } = await ask(`${address}api/search?queue=${queue}&${query}`);
      return text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { found: { payload: string }[]; searched: number });
    };
    for (const query of ['text=%22id%22%3A2', 'header=tenant%3Dacme']) {
      const steps = await search(query);
      expect(steps.flatMap(({ found }) => found)).toMatchObject([{ payload: '{"id":2}' }]);
      expect(steps.at(-1)).toMatchObject({ searched: 3, total: 3 });
    }
    expect((await search('pattern=order.*&states=dead,waiting')).flatMap(({ found }) => found)).toHaveLength(
      3,
    );
    expect((await search('newest=1')).at(-1)).toMatchObject({ searched: 1, total: 1 });
  });

  it('takes the whole text of a parameter that has a question mark', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    for (const payload of ['"a?b"', '"a?c"']) await admin.enqueue(new ServiceEvent(60, 'a', payload));
    const address = await startConsole();
    const { text } = await ask(`${address}api/search?queue=${queue}&text=a?b`);
    expect(text.match(/"payload":"[^,]*/g)).toEqual(['"payload":"\\"a?b\\""']);
  });

  it('retries, removes, runs now and purges, and says how many', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    const letters = [deadLetter(1), deadLetter(2)];
    await writeLetters(queue, letters);
    const client = startClient({ queue });
    await told(client.emit('later.event', new ElkMqRecordBuilder('later').setDelay(HOUR).build()));
    const [delayed] = (await admin.messages('delayed')).messages;
    const address = await startConsole();
    const [one, other] = letters.map(({ origin }) => origin);
    const calls: [path: string, body: object, count: number][] = [
      ['retry', { ids: [one, one] }, 1],
      ['remove', { ids: [other, '1-1'] }, 1],
      ['runNow', { ids: [delayed?.id] }, 1],
      ['purge', { state: 'waiting' }, 2],
      ['purge', { state: 'dead' }, 0],
    ];
    for (const [path, body, count] of calls) {
      const { status, json } = await change(`${address}api/${path}`, { queue, ...body });
      expect([path, status, json]).toEqual([path, 200, { count }]);
    }
    expect(await admin.state()).toMatchObject({ waiting: 0, delayed: 0, deadLetters: 0 });
  });

  it('moves messages to another queue, if the user may do so in both, and tells what stays', async () => {
    const [queue, other, hidden] = [newQueueName(), newQueueName(), newQueueName()];
    const admin = adminOf(queue);
    const ids: string[] = [];
    for (const n of ['1', '2', '3']) ids.push(await admin.enqueue(new ServiceEvent(60, 'a', n)));
    const asked: ConsoleAction[] = [];
    const authorize = (_: unknown, action: ConsoleAction) => {
      asked.push(action);
      return action.queue !== hidden;
    };
    const audited: ActionRecord[] = [];
    const address = await startConsole({ authorize, audit: (action) => audited.push(action) });
    const move = (to: unknown) =>
      change(`${address}api/move`, { queue, ids: [...ids.slice(0, 2), '1-1'], to });
    expect((await move(hidden)).status).toBe(403);
    expect((await move(undefined)).status).toBe(400);
    expect((await move(queue)).status).toBe(400);
    expect(await admin.state()).toMatchObject({ waiting: 3 });
    asked.length = 0;
    expect((await move(other)).json).toEqual({ count: 2, stayed: { gone: 1 } });
    expect(asked).toEqual([queue, other].map((name) => ({ kind: 'move', queue: name })));
    expect(audited.at(-1)).toMatchObject({ kind: 'move', queue, to: other, count: 2 });
    expect(await admin.state()).toMatchObject({ waiting: 1 });
    expect(await adminOf(other).state()).toMatchObject({ waiting: 2 });
    const only = await startConsole({ queues: [queue] });
    expect((await change(`${only}api/move`, { queue, ids, to: other })).status).toBe(404);
  });

  it('tells the topics with their subscriptions, and what had none', async () => {
    const name = newQueueName();
    const topic = closing(new Topic(name, url));
    await topic.subscribe('mails', { patterns: ['order.*'] });
    await topic.publish(new ServiceEvent(60, 'order.placed', '1'));
    await topic.publish(new ServiceEvent(60, 'user.created', '2'));
    const queue = `{${name}}/mails`;
    const address = await startConsole({ queues: [queue] });
    expect((await ask(`${address}api/topics`)).json).toMatchObject({
      topics: [
        {
          name,
          subscriptions: [{ name: 'mails', queue, patterns: ['order.*'], waiting: 1 }],
          unrouted: 1,
          lastUnrouted: { action: 'user.created' },
        },
      ],
    });
    const messages = await ask(`${address}api/messages?${new URLSearchParams({ queue }).toString()}`);
    expect(messages.json['messages']).toMatchObject([{ pattern: 'order.placed' }]);
  });

  it('tells a topic also when Redis refuses to tell of another one', async () => {
    const [name, broken] = [newQueueName(), newQueueName()];
    const topic = closing(new Topic(name, url));
    await topic.subscribe('mails', { patterns: ['order.*'] });
    await redis.set(`{${broken}}(subscriptions)`, 'no hash');
    const address = await startConsole({ queues: [`{${name}}/mails`, `{${broken}}/mails`] });
    const { status, json } = await ask(`${address}api/topics`);
    expect(status).toBe(200);
    const topics = json['topics'] as { name: string }[];
    expect(topics.find((each) => each.name === name)).toMatchObject({ subscriptions: [{ name: 'mails' }] });
    expect(topics.find((each) => each.name === broken)).toEqual({
      name: broken,
      error: expect.stringContaining('WRONGTYPE') as string,
    });
  });

  it('tells of a move to a queue that one may not see without the name of that queue', async () => {
    const [queue, hidden] = [newQueueName(), `hidden-${newQueueName()}`];
    const admin = adminOf(queue);
    const ids = [await admin.enqueue(new ServiceEvent(60, 'a', '1'))];
    const address = await startConsole({
      authorize: ({ headers }, { queue: name }) => headers['x-user'] === 'ada' || name !== hidden,
    });
    const ada = { 'X-User': 'ada' };
    expect((await change(`${address}api/move`, { queue, ids, to: hidden }, ada)).status).toBe(200);
    await redis.set(`${hidden}(arrived)`, 'no hash');
    ids[0] = await admin.enqueue(new ServiceEvent(60, 'a', '2'));
    expect((await change(`${address}api/move`, { queue, ids, to: hidden }, ada)).status).not.toBe(200);
    const seen = await ask(`${address}api/actions`, { headers: ada });
    expect(seen.json['actions']).toMatchObject([
      { kind: 'move', to: hidden },
      { kind: 'move', to: hidden },
    ]);
    const { json, text } = await ask(`${address}api/actions`);
    expect(json['actions']).toMatchObject([
      { kind: 'move', queue, count: 0, error: 'It has failed.' },
      { kind: 'move', queue, count: 1 },
    ]);
    expect(text).not.toContain(hidden);
  });

  it('changes and reads nothing any more once it is closed', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    await admin.enqueue(new ServiceEvent(60, 'a', '1'));
    const asked: (() => void)[] = [];
    const identify = (): Promise<string> => new Promise((resolve) => asked.push(() => resolve('ada')));
    const { address, console } = await startClosableConsole({ identify });
    const purge = change(`${address}api/purge`, { queue, state: 'waiting' });
    await until(() => asked.length === 1);
    await console.close();
    asked[0]?.();
    expect(await purge).toMatchObject({ status: 503, json: { error: 'The console is closed.' } });
    for (const path of [`messages?queue=${queue}`, `queue?queue=${queue}`, 'queues'])
      expect((await ask(`${address}api/${path}`)).status).toBe(503);
    expect(await admin.state()).toMatchObject({ waiting: 1 });
  });

  it('pauses a queue in the name of the user, and resumes it', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    const address = await startConsole({ queues: [queue], identify: () => 'ada' });
    expect((await change(`${address}api/pause`, { queue })).status).toBe(200);
    expect((await admin.state()).paused).toMatchObject({ by: 'ada' });
    expect((await ask(`${address}api/queue?queue=${queue}`)).json).toMatchObject({ paused: { by: 'ada' } });
    expect((await change(`${address}api/resume`, { queue })).status).toBe(200);
    expect((await admin.state()).paused).toBeUndefined();
    const { json } = await ask(`${address}api/actions`);
    expect(json['actions']).toMatchObject([
      { who: 'ada', kind: 'resume', queue, target: [] },
      { who: 'ada', kind: 'pause', queue, target: [] },
    ]);
  });

  it('keeps a log of all changes, with who made them, and tells `audit`', async () => {
    const queue = newQueueName();
    const letter = deadLetter(1);
    await writeLetters(queue, [letter]);
    const audited: ActionRecord[] = [];
    const identify = ({ headers }: { headers: Record<string, unknown> }): string => String(headers['x-user']);
    const address = await startConsole({ identify, audit: (action) => audited.push(action) });
    await change(`${address}api/retry`, { queue, ids: [letter.origin] }, { 'X-User': 'ada' });
    await change(`${address}api/purge`, { queue, state: 'running' }, { 'X-User': 'bob' });
    const { json } = await ask(`${address}api/actions`);
    expect(json['actions']).toMatchObject([
      {
        who: 'bob',
        kind: 'purge',
        queue,
        target: 'running',
        count: 0,
        error: expect.stringContaining('state must be one of') as string,
      },
      { who: 'ada', kind: 'retry', queue, target: [letter.origin], count: 1 },
    ]);
    expect(audited.map(({ who, kind, count }) => [who, kind, count])).toEqual([
      ['ada', 'retry', 1],
      ['bob', 'purge', 0],
    ]);
  });

  it.each([
    [
      'throws',
      (): never => {
        throw new Error('the audit is away');
      },
    ],
    ['rejects', (): unknown => Promise.reject(new Error('the audit is away'))],
  ])('makes a change whose `audit` %s, and warns', async (_how, audit) => {
    const rejections = unhandledRejections();
    const warn = mockWarnings();
    const queue = newQueueName();
    const address = await startConsole({ queues: [queue], audit });
    expect((await change(`${address}api/pause`, { queue })).status).toBe(200);
    expect((await adminOf(queue).state()).paused).toBeDefined();
    expect((await ask(`${address}api/actions`)).json['actions']).toMatchObject([{ kind: 'pause', queue }]);
    await until(() => warn.mock.calls.length === 1);
    expect(warn.mock.calls).toEqual([['ElkMqConsole: audit has failed: the audit is away']]);
    expect(rejections).toEqual([]);
  });

  it.each<[string, () => unknown, string]>([
    [
      'throws',
      () => {
        throw new Error('no session');
      },
      'no session',
    ],
    ['rejects', () => Promise.reject(new Error('no session')), 'no session'],
    ['answers a number', () => 7, 'identify must answer a string or undefined, got 7'],
    ['answers null', () => null, 'identify must answer a string or undefined, got null'],
  ])('changes nothing when `identify` %s, and warns', async (_how, identify, warning) => {
    const rejections = unhandledRejections();
    const warn = mockWarnings();
    const queue = newQueueName();
    const admin = adminOf(queue);
    const id = await admin.enqueue(new ServiceEvent(60, 'a', '1'));
    const address = await startConsole({ identify: identify as () => string });
    expect((await change(`${address}api/pause`, { queue })).status).toBe(500);
    expect((await change(`${address}api/remove`, { queue, ids: [id] })).status).toBe(500);
    const { waiting, paused } = await admin.state();
    expect([waiting, paused]).toEqual([1, undefined]);
    expect(warn.mock.calls.map(([each]) => String(each))).toEqual(
      Array(2).fill(expect.stringContaining(warning)),
    );
    expect(rejections).toEqual([]);
  });

  it('takes the name that `identify` promises', async () => {
    const queue = newQueueName();
    const address = await startConsole({ queues: [queue], identify: () => Promise.resolve('ada') });
    expect((await change(`${address}api/pause`, { queue })).status).toBe(200);
    expect((await adminOf(queue).state()).paused).toMatchObject({ by: 'ada' });
    expect((await ask(`${address}api/actions`)).json['actions']).toMatchObject([{ who: 'ada' }]);
  });

  it('answers a poll with 304 while nothing has changed', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    const address = await startConsole();
    const poll = (etag = ''): ReturnType<typeof ask> =>
      ask(`${address}api/messages?queue=${queue}`, { headers: { 'If-None-Match': etag } });
    const etag = (await poll()).headers.get('etag') ?? '';
    const same = await poll(etag);
    expect([same.status, same.text]).toEqual([304, '']);
    await admin.enqueue(new ServiceEvent(60, 'a', '1'));
    expect((await poll(etag)).status).toBe(200);
  });

  it.each([
    ['GET', 'queue', 400, /needs the name of a queue/],
    [
      'GET',
      'messages?queue=q&state=lost',
      400,
      /state must be one of waiting, ordered, running, delayed, dead, got "lost"/,
    ],
    ['GET', 'messages?queue=q&limit=0', 400, /limit must be a whole number from 1 to 1000, got 0/],
    ['GET', 'messages?queue=q&limit=x', 400, /limit must be a number, got "x"/],
    ['GET', 'message?queue=q&id=7', 400, /must be the id of a message, such as 1700000000000-0, got "7"/],
    ['GET', 'search?queue=q&header=tenant', 400, /header must be name=value, got "tenant"/],
    ['GET', 'search?queue=q&reason=bored', 400, /reason must be one of/],
    ['GET', 'nothing', 404, /The console has no \/nothing/],
    ['GET', 'retry', 405, /not for GET/],
    ['POST', 'queues', 405, /not for POST/],
    ['DELETE', 'queues', 405, /not for DELETE/],
  ])('names what is wrong: %s %s', async (method, path, status, message) => {
    const address = await startConsole();
    const answer = await ask(`${address}api/${path}`, { method });
    expect([answer.status, answer.json['error']]).toEqual([status, expect.stringMatching(message)]);
  });

  it.each([
    [{ queue: 'q', ids: [] }, 400, /ids must be an array of 1 to 1000 ids of messages, got an array of 0/],
    [{ queue: 'q', ids: [7] }, 400, /ids must be an array/],
    [{ queue: 'q', ids: ['x'] }, 400, /id must be the id of a message/],
    [{ queue: 7, ids: ['1-1'] }, 400, /needs the name of a queue/],
    [[1], 400, /The body must be a JSON object/],
    [{ queue: 'q', ids: ['x'.repeat(300_000)] }, 413, /larger than 262144 bytes/],
  ])('refuses a change that is wrong: %.60j', async (body, status, message) => {
    const address = await startConsole();
    const answer = await change(`${address}api/remove`, body);
    expect([answer.status, answer.json['error']]).toEqual([status, expect.stringMatching(message)]);
  });

  it('says that Redis is away, and does not hang', async () => {
    const address = await startConsole({ redis: { port: 1, retryStrategy: () => null } });
    for (const path of ['queues', 'queue?queue=q', 'messages?queue=q', 'search?queue=q']) {
      const { status, json } = await ask(`${address}api/${path}`);
      expect([path, status]).toEqual([path, 503]);
      expect(json['error']).toEqual(expect.any(String));
    }
  });
});
