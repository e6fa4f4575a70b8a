import { ElkMqRecordBuilder, EventQueue, QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, inject, it } from 'vitest';
import { elkmq, elkmqJson, start } from '../support/command-line.js';
import { deadLetter, writeLetters } from '../support/dead-letters.js';
import { payloadsOf } from '../support/entries.js';
import { startClient, told } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, keysOf, newQueueName, redis, until } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

const HOUR = 3_600_000;

function newAdmin(queue = newQueueName()): { queue: string; admin: QueueAdmin } {
  return { queue, admin: closing(new QueueAdmin(queue, inject('adminUrl'))) };
}

function eventWith(payload: string): ServiceEvent {
  return new ServiceEvent(3_600, 'order.placed', payload);
}

describe('elkmq', () => {
  it('explains each command with an example, and needs no Redis for that', async () => {
    const help = await elkmq(['--help'], { url: 'redis://127.0.0.1:1' });
    expect(help).toMatchObject({ code: 0, stderr: '' });
    const names = [...help.stdout.matchAll(/^ {2}([a-z]+) +(?:\[|Look at dead)/gm)].map(([, name]) => name);
    expect(names).toEqual(
      'queues top state workers pause resume limits schedules doctor bench topics subscribe unsubscribe peek find show tail emit send dead move purge help'.split(
        ' ',
      ),
    );
    const commands = names
      .slice(0, -1)
      .flatMap((name) =>
        name === 'dead' ? ['dead ls', 'dead show', 'dead retry', 'dead rm'] : [String(name)],
      );
    for (const command of commands) {
      const { code, stdout } = await elkmq([...command.split(' '), '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`Example:\n  $ elkmq ${command}`);
      for (const option of ['--url', 'ELKMQ_URL', '--json']) expect(stdout).toContain(option);
    }
  });

  it('ends with 2 when it does not understand, and says what it accepts', async () => {
    const queue = newQueueName();
    const wrong: [string[], RegExp][] = [
      [[], /Usage: elkmq/],
      [['stat'], /unknown command 'stat'/],
      [['state'], /missing required argument 'queue'/],
      [
        ['state', queue, '--max-oldest', '5'],
        /a duration is a number with ms, s, m, h or d, such as 30s; got "5"/,
      ],
      [['state', queue, '--max-dead', 'x'], /a whole number is expected, got "x"/],
      [['peek', queue, '--limit', 'x'], /option '--limit <n>' .*a whole number is expected, got "x"/],
      [['peek', queue, '--state', 'done'], /Allowed choices are waiting, ordered, running, delayed, dead/],
      [['peek', queue, '--limit', '0'], /limit must be a whole number from 1 to 1000/],
      [['find', queue, '--since', 'yesterday'], /a time is a date such as/],
      [['find', queue, '--header', 'x'], /name=value is expected/],
      [['show', queue, 'x'], /origin must be the id of a message/],
      [['emit', queue, 'a', '{id:7}'], /the payload is not JSON/],
      [['purge', queue], /required option '--state <state>' not specified/],
      [['dead', 'rm', queue], /choose dead letters in one way/],
      [['dead', 'retry', queue, '1-1', '--all'], /choose dead letters in one way/],
      [['state', ''], /argument 'queue'.* it must not be empty/],
      [['emit', '', 'a'], /argument 'queue'.* it must not be empty/],
      [['emit', queue, ''], /argument 'pattern'.* it must not be empty/],
      [['top', queue, '--interval', '30d'], /a duration of at most 2147483647ms is expected, got "30d"/],
      [['top', queue, ''], /argument 'queues'.* it must not be empty/],
      [['find', queue, '--pattern', ''], /option '--pattern <pattern>'.* it must not be empty/],
      [['dead', 'rm', queue, '--pattern', ''], /option '--pattern <pattern>'.* it must not be empty/],
      [['move', queue, '--text', '', '--to', 'b'], /option '--text <text>'.* it must not be empty/],
      [['move', queue, '--all', '--to', ''], /option '--to <queue>'.* it must not be empty/],
      [['dead', 'move', queue, '--all', '--to', ''], /option '--to <queue>'.* it must not be empty/],
      [['state', queue, '--url', 'http://x'], /url must be a URL such as redis/],
      [['state', queue, '--url', 'http://x', '--cluster'], /url must be a URL such as redis/],
      [['state', queue, '--url', 'redis://:a%b@x', '--cluster'], /a % is written as %25/],
      [['queues', '--url', 'redis://:a%b@x', '--cluster'], /a % is written as %25/],
      [['state', queue, '--url', ' redis://x'], /url must be a URL such as .*, got " redis:\/\/x"/],
    ];
    for (const [args, message] of wrong) {
      const { code, stdout, stderr } = await elkmq(args);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(message);
    }
  });

  it('ends with 3 when Redis is away or refuses, whatever the command', async () => {
    const away = { url: 'redis://:secret@127.0.0.1:1' };
    const commands = [
      'queues',
      'top',
      'state q',
      'workers q',
      'schedules q',
      'doctor',
      'peek q',
      'find q',
      'show q 1-1',
      'tail q',
      'emit q a 1',
      'send q a 1',
      'dead ls q',
      'dead show q 1-1',
      'dead retry q --all',
      'dead rm q 1-1',
      'purge q --state waiting',
    ];
    for (const command of commands) {
      const { code, stdout, stderr } = await elkmq([...command.split(' '), '--patience', '50ms'], away);
      expect({ command, code, stdout }).toEqual({ command, code: 3, stdout: '' });
      expect(stderr).toMatch(/^elkmq: /);
      expect(stderr).not.toContain('secret');
    }
    const { queue } = newAdmin();
    await redis.set(`${queue}(event_stream)`, 'no stream');
    expect(await elkmq(['state', queue])).toMatchObject({ code: 3, stderr: /WRONGTYPE/ });
  });
});

describe('elkmq queues, top', () => {
  it('show the queues of a Redis with their states', async () => {
    const server = await ownRedis();
    // Only an admin may look for queues.
    const { adminUrl: url } = server;
    expect(await elkmqJson(['queues'], { url })).toMatchObject({
      code: 0,
      json: { queues: [], isComplete: true },
    });
    await clientOf(server).zadd('late(delayed)', 1, '1-1');
    const orders = closing(new EventQueue('orders', url));
    await orders.enqueue(eventWith('1'));
    expect(await elkmqJson(['queues'], { url })).toMatchObject({
      code: 0,
      json: {
        queues: [
          { queue: 'late', delayed: 1 },
          { queue: 'orders', waiting: 1, workers: 0 },
        ],
      },
    });
    expect((await elkmq(['queues'], { url })).stdout).toMatch(/^QUEUE +WAITING .*\nlate .*\norders +1 /);
    const { code, stdout } = await elkmq(['top', '--count', '2', '--interval', '10ms', '--json'], { url });
    expect(code).toBe(0);
    const looks = stdout.trim().split('\n');
    expect(looks).toHaveLength(2);
    expect(JSON.parse(String(looks[1]))).toMatchObject({ queues: [{ queue: 'orders' }, { queue: 'late' }] });
    expect((await elkmq(['top', 'orders', '--count', '1'], { url })).stdout).toMatch(/\norders +1 /);
  });

  it('name a queue that cannot be read, show the others, and end with 3', async () => {
    const server = await ownRedis();
    const { adminUrl: url } = server;
    await closing(new QueueAdmin('orders', url)).enqueue(eventWith('1'));
    await clientOf(server).set('broken(event_stream)', 'no stream');
    const listed = [
      { queue: 'broken', error: expect.stringContaining('WRONGTYPE') as string },
      { queue: 'orders', waiting: 1 },
    ];
    expect(await elkmqJson(['queues'], { url })).toMatchObject({ code: 3, json: { queues: listed } });
    expect(await elkmqJson(['top', '--count', '1'], { url })).toMatchObject({
      code: 3,
      json: { queues: listed.toReversed() },
    });
    const text = await elkmq(['queues'], { url });
    expect(text).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/^The queue broken cannot be read: .*WRONGTYPE/) as string,
    });
    expect(text.stdout).toMatch(/\nbroken +\?\norders +1 /);
  });

  it('top ends with 0 at Ctrl-C', async () => {
    const top = start(['top', newQueueName(), '--interval', '10ms']);
    await until(() => top.written().stdout.split('QUEUE').length > 2);
    top.kill('SIGINT');
    expect(await top.ended).toMatchObject({ code: 0 });
  });
});

describe('elkmq state, workers', () => {
  it('state tells the numbers, and ends with 1 beyond a limit', async () => {
    const { queue, admin } = newAdmin();
    await admin.enqueue(eventWith('1'));
    await writeLetters(queue, [deadLetter(1)]);
    const { code, json } = await elkmqJson(['state', queue]);
    expect({ code, json }).toMatchObject({
      code: 0,
      json: { queue, waiting: 1, running: 0, delayed: 0, deadLetters: 1, workers: 0, exceeded: [] },
    });
    const within = '--max-waiting 1 --max-oldest 1d --max-dead 1 --max-delayed 0 --min-workers 0'.split(' ');
    expect((await elkmq(['state', queue, ...within])).code).toBe(0);
    for (const limit of ['--max-waiting 0', '--max-oldest 0ms', '--max-dead 0', '--min-workers 1']) {
      const beyond = await elkmqJson(['state', queue, ...limit.split(' ')]);
      expect({ limit, ...beyond }).toMatchObject({ code: 1, json: { exceeded: [expect.any(String)] } });
    }
    const text = await elkmq(['state', queue, '--max-dead', '0']);
    expect(text.stdout).toContain('dead letters  1');
    expect(text.stderr).toContain('dead letters: 1, more than 0');
  });

  it('workers lists them, and ends with 1 when there are too few', async () => {
    const { queue } = newAdmin();
    await startWorker({ queue, concurrency: 3 }, { a: () => Promise.resolve(1) });
    const { code, json } = await elkmqJson(['workers', queue, '--min', '1']);
    expect(code).toBe(0);
    expect(json).toMatchObject({ workers: [{ pid: process.pid, concurrency: 3, handlers: ['a'] }] });
    const text = await elkmq(['workers', queue, '--min', '2']);
    expect(text.code).toBe(1);
    expect(text.stdout).toContain(String(process.pid));
  });
});

describe('elkmq peek, find, show', () => {
  it('show messages, and take none', async () => {
    const { queue, admin } = newAdmin();
    const large = '{"id":12345678901234567890}';
    const origin = await admin.enqueue(eventWith(large), { headers: { tenant: 'x' } });
    await admin.enqueue(eventWith('"two"'));
    const { stdout } = await elkmq(['peek', queue, '--limit', '1', '--json']);
    // No number is rounded.
    expect(stdout).toContain(`"payload":${large}`);
    const { next, messages } = JSON.parse(stdout) as { next: string; messages: unknown[] };
    expect(messages).toMatchObject([
      { state: 'waiting', origin, pattern: 'order.placed', headers: { tenant: 'x' } },
    ]);
    expect(await elkmqJson(['peek', queue, '--after', next])).toMatchObject({
      code: 0,
      json: { messages: [{ payload: 'two' }], next: null },
    });
    expect((await elkmq(['peek', queue, '--limit', '1'])).stderr).toContain(`--after ${next}`);
    const shown = await elkmq(['show', queue, origin, '--json']);
    expect(shown).toMatchObject({ code: 0 });
    expect(shown.stdout).toContain(`"payload":${large}`);
    expect((await elkmq(['show', queue, origin])).stdout).toMatch(/^header tenant *x$/m);
    expect(await elkmq(['show', queue, '1-1'])).toMatchObject({ code: 1, stdout: '' });
    expect((await admin.state()).waiting).toBe(2);
  });

  it('show has the errors of the attempts before', async () => {
    const { queue, admin } = newAdmin();
    const errors = JSON.stringify([
      { attempt: 1, at: 0, name: 'TypeError', message: 'no price', stack: ' at x' },
    ]);
    const id = await redis.xadd(
      `${queue}(event_stream)`,
      '*',
      ...['event', '{"request_uuid":7,"timeout":60,"action":"a","payload":null}', 'reply_to', ''],
      ...['origin', '1-1', 'attempt', '2', 'errors', errors],
    );
    expect((await elkmq(['show', queue, String(id)])).stdout).toContain(
      'attempt 1 1970-01-01T00:00:00.000Z TypeError: no price\n           at x\n',
    );
    const { json } = await elkmqJson(['show', queue, String(id)]);
    expect(json).toMatchObject({ errors: [{ attempt: 1, message: 'no price' }] });
    await admin.purge('waiting');
  });

  it('find searches all states, and tells how much it has searched', async () => {
    const { queue, admin } = newAdmin();
    await admin.enqueue(eventWith('{"name":"anna"}'), { headers: { tenant: 'x' } });
    await admin.enqueue(eventWith('{"name":"anna"}'), { delay: HOUR });
    await admin.enqueue(eventWith('{"name":"berta"}'));
    await writeLetters(queue, [deadLetter(1, 'expired')]);
    const found = async (...args: string[]): Promise<number> => {
      const { code, json } = await elkmqJson(['find', queue, ...args]);
      expect(code).toBe(0);
      return (json as { messages: unknown[] }).messages.length;
    };
    expect(await found()).toBe(4);
    expect(await found('--text', 'anna')).toBe(2);
    expect(await found('--text', 'anna', '--state', 'waiting')).toBe(1);
    expect(await found('--pattern', 'order.*', '--state', 'waiting', 'delayed')).toBe(3);
    expect(await found('--header', 'tenant=x')).toBe(1);
    expect(await found('--reason', 'expired')).toBe(1);
    expect(await found('--since', '1h')).toBe(3);
    expect(await found('--until', '2000-01-01')).toBe(0);
    expect(await found('--limit', '1')).toBe(1);
    const key = { orderingKey: 'k' };
    const events = closing(new EventQueue(queue, inject('adminUrl')));
    await events.enqueue(eventWith('1'), key);
    await events.enqueue(eventWith('2'), key);
    expect(await found('--key', 'k')).toBe(2);
    expect(await found('--key', 'k', '--state', 'ordered')).toBe(1);
    const text = await elkmq(['find', queue, '--text', 'berta']);
    expect(text.stdout).toContain('berta');
    expect(text.stderr).toContain('1 found; searched 6 of 6');
  });

  it('show text of strangers without control characters', async () => {
    const { queue, admin } = newAdmin();
    const evil = '\u001b[2J\u0007\u202e\u200b';
    await redis.xadd(`${queue}(event_stream)`, '*', 'event', evil);
    const origin = await admin.enqueue(new ServiceEvent(60, `a${evil}`, evil), { headers: { h: evil } });
    for (const args of [
      ['peek', queue],
      ['show', queue, origin],
      ['find', queue],
    ]) {
      const { code, stdout } = await elkmq(args);
      expect(code).toBe(0);
      expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(stdout).toContain('\\u001b[2J');
    }
  });
});

describe('elkmq emit, send, tail', () => {
  it('emit stores an event, with headers and a delay', async () => {
    const { queue, admin } = newAdmin();
    const args = ['emit', queue, 'order.placed', '{"id":7}', '--header', 'a=1', '--header', 'b=2=3'];
    const { code, json } = await elkmqJson(args);
    expect(code).toBe(0);
    const { origin } = json as { origin: string };
    const headers = { a: '1', b: '2=3' };
    expect(await admin.message(origin)).toMatchObject({ payload: { id: 7 }, headers, isRequest: false });
    const later = await elkmq(['emit', queue, 'x', '-', '--delay', '1h'], { stdin: '[1]\n' });
    expect(await admin.message(later.stdout.trim())).toMatchObject({ state: 'delayed', payload: [1] });
    await elkmq(['emit', queue, 'x', '{text}', '--text']);
    expect(await payloadsOf(queue)).toEqual(['{"id":7}', '"{text}"']);
    expect(Object.keys(await keysOf(queue)).filter((key) => key.includes('producer'))).toEqual([]);
  });

  it('send waits for the answer of a worker', async () => {
    const { queue } = newAdmin();
    const fail = () => Promise.reject(new Error('sold out'));
    const total = (data: unknown, context: { getHeaders(): object }) =>
      Promise.resolve({ data, headers: context.getHeaders() });
    await startWorker({ queue }, { total, fail });
    const sent = await elkmq(['send', queue, 'total', '{"id":7}', '--header', 'a=1']);
    expect(sent).toMatchObject({ code: 0, stdout: '{"data":{"id":7},"headers":{"a":"1"}}\n' });
    expect(await elkmqJson(['send', queue, 'total', '1'])).toMatchObject({
      code: 0,
      json: { values: [{ data: 1 }], error: null },
    });
    expect(await elkmqJson(['send', queue, 'fail', '1'])).toMatchObject({
      code: 1,
      json: { values: [], error: expect.anything() as unknown },
    });
    expect(await elkmq(['send', queue, 'fail', '1'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('the handler failed') as unknown,
    });
  });

  it('send shows the answer of an EventQueue', async () => {
    const { queue } = newAdmin();
    const service = closing(new EventQueue(queue, inject('adminUrl')));
    const sending = elkmq(['send', queue, 'total', '1']);
    const [, request] = await service.dequeueBlocking(0);
    await service.enqueueResponse(ServiceEvent.responseTo(request, 'total', '"seven"'));
    expect(await sending).toMatchObject({ code: 0, stdout: '"seven"\n' });
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'send cancels its request at %s, and ends with 1',
    async (signal) => {
      const { queue, admin } = newAdmin();
      const sending = start(['send', queue, 'nobody', '1', '--timeout', '1h']);
      await until(async () => (await admin.state()).waiting === 1);
      sending.kill(signal);
      expect(await sending.ended).toEqual({ code: 1, stdout: '', stderr: `elkmq: ended by ${signal}\n` });
      expect((await admin.state()).waiting).toBe(0);
      expect(Object.keys(await keysOf(queue))).toEqual(['(event_stream)']);
    },
  );

  it('send ends with 1 when nobody answers in time, and leaves nothing', async () => {
    const { queue, admin } = newAdmin();
    const { code, stderr } = await elkmq(['send', queue, 'nobody', '1', '--timeout', '100ms']);
    expect(code).toBe(1);
    expect(stderr).toContain("no response to 'nobody' within 100 ms");
    expect(await admin.state()).toMatchObject({ waiting: 0 });
  });

  it('send shows the answer of an EventQueue as the value that it is', async () => {
    const { queue } = newAdmin();
    const responder = closing(new EventQueue(queue, inject('adminUrl')));
    const answers = ['{"total":1}', 'plain'];
    for (const answer of answers) {
      const sending = elkmq(['send', queue, 'total', '1']);
      let request: ServiceEvent | undefined;
      await until(async () => {
        request = (await responder.dequeue().catch(() => undefined))?.[1];
        return request !== undefined;
      });
      await responder.enqueueResponse(ServiceEvent.responseTo(request as ServiceEvent, 'total', answer));
      const shown = answer === 'plain' ? '"plain"' : answer;
      expect(await sending).toMatchObject({ code: 0, stdout: `${shown}\n` });
    }
  });

  it('tail shows what is stored from now on, and takes nothing', async () => {
    const { queue, admin } = newAdmin();
    await admin.enqueue(eventWith('"before"'));
    const tail = start(['tail', queue, '--limit', '2', '--pattern', 'order.placed']);
    await until(() => tail.written().stderr.includes('from now on'));
    await admin.enqueue(new ServiceEvent(60, 'other', '"other"'));
    await admin.enqueue(eventWith('"one"'));
    await admin.enqueue(eventWith('"two"'));
    const { code, stdout } = await tail.ended;
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringContaining('"one"') as unknown,
      expect.stringContaining('"two"') as unknown,
    ]);
    expect((await admin.state()).waiting).toBe(4);
  });

  it('tail goes on while nothing is stored, also when Redis may take a short time only', async () => {
    const server = await ownRedis();
    const { url: own } = server;
    const client = clientOf(server);
    const tail = start(['tail', 'quiet', '--limit', '1', '--patience', '1s'], { url: own });
    let hasEnded = false;
    void tail.ended.then(() => (hasEnded = true));
    const readsInVain = async (): Promise<number> =>
      Number(/cmdstat_xread:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
    await until(async () => hasEnded || (await readsInVain()) >= 2);
    await closing(new QueueAdmin('quiet', own)).enqueue(eventWith('"one"'));
    expect(await tail.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"one"') as unknown });
  });

  it('tail writes a line of JSON for each message, and ends with 0 at Ctrl-C', async () => {
    const { queue, admin } = newAdmin();
    const tail = start(['tail', queue, '--json']);
    // Nothing tells when it has begun, so events come until it has seen one.
    await until(async () => {
      await admin.enqueue(eventWith('{"id":1}'));
      return tail.written().stdout.includes('\n');
    });
    tail.kill('SIGINT');
    const { code, stdout } = await tail.ended;
    expect(code).toBe(0);
    expect(JSON.parse(String(stdout.split('\n')[0]))).toMatchObject({
      payload: { id: 1 },
      pattern: 'order.placed',
    });
  });
});

describe('elkmq dead, purge', () => {
  it('go on when nobody reads what they note', async () => {
    const { queue, admin } = newAdmin();
    await admin.enqueue(eventWith('1'));
    const purge = start(['purge', queue, '--state', 'waiting', '--yes', '--json']);
    purge.closeOutput('stderr');
    expect(await purge.ended).toMatchObject({ code: 0 });
    expect(await admin.state()).toMatchObject({ waiting: 0 });
    const unknown = start(['state', queue, '--min-workers', '1', '--unknown']);
    unknown.closeOutput('stderr');
    expect(await unknown.ended).toMatchObject({ code: 2 });
  });

  it('dead move changes nothing without --yes, and moves letters to the other queue', async () => {
    const { queue, admin } = newAdmin();
    const { queue: other, admin: target } = newAdmin();
    await writeLetters(queue, [deadLetter(1, 'failed'), deadLetter(2, 'expired')]);
    const move = ['dead', 'move', queue, '--reason', 'failed', '--to', other];
    const dry = await elkmq([...move, '--dry-run']);
    expect(dry.code).toBe(0);
    expect(dry.stderr).toContain(`1 dead letters would go to the queue ${other}.`);
    expect((await elkmq(move)).code).toBe(2);
    expect(await admin.state()).toMatchObject({ deadLetters: 2 });
    expect((await elkmq([...move, '--yes'])).code).toBe(0);
    expect(await admin.state()).toMatchObject({ deadLetters: 1 });
    expect(await target.state()).toMatchObject({ waiting: 1 });
    expect(await elkmq(['dead', 'move', queue, '1-1', '--to', other, '--yes'])).toMatchObject({ code: 1 });
  });

  it('move changes nothing without --yes, tells what stays and why, and moves the rest', async () => {
    const { queue, admin } = newAdmin();
    const { queue: other, admin: target } = newAdmin();
    for (const n of ['1', '2']) await admin.enqueue(eventWith(n));
    await admin.enqueue(eventWith('3'), { delay: HOUR });
    const client = startClient({ queue });
    const asking = told(client.send('order.total', 4));
    await until(async () => (await admin.state()).waiting === 3);
    const move = ['move', queue, '--to', other];
    const dry = await elkmqJson([...move, '--all', '--dry-run']);
    expect(dry).toMatchObject({ code: 0, json: { count: 3, done: false, stayed: { request: 1 } } });
    const undone = await elkmq([...move, '--all']);
    expect(undone.code).toBe(2);
    expect(undone.stderr).toContain(`3 messages would go to the queue ${other}.`);
    expect(undone.stderr).toContain('1 stay: a request: its caller waits for a reply from this queue.');
    expect(await target.state()).toMatchObject({ waiting: 0, delayed: 0 });

    expect((await elkmq([...move, '--text', '2', '--yes'])).stderr).toContain('1 messages went to the queue');
    const done = await elkmqJson([...move, '--all', '--yes']);
    expect(done).toMatchObject({ code: 0, json: { count: 2, done: true, stayed: { request: 1 } } });
    expect(await target.state()).toMatchObject({ waiting: 2, delayed: 1 });
    const id = String((await target.messages('waiting')).messages[0]?.id);
    const back = ['move', other, id, '--to', queue, '--yes'];
    expect(await elkmqJson(back)).toMatchObject({ json: { count: 1, stayed: {} } });
    expect(await elkmqJson(back)).toMatchObject({ code: 1, json: { count: 0, stayed: { gone: 1 } } });
    const unclear = await elkmq(['move', queue, '--to', other]);
    expect(unclear.code).toBe(2);
    expect(unclear.stderr).toContain('choose messages in one way');
    await client.close();
    await asking;
  });

  it('dead ls and show tell the letters', async () => {
    const { queue } = newAdmin();
    const letters = [deadLetter(1), deadLetter(2, 'expired'), deadLetter(3, 'failed', 'mail.sent')];
    await writeLetters(queue, letters);
    const payloads = async (...args: string[]): Promise<unknown[]> => {
      const { code, json } = await elkmqJson(['dead', 'ls', queue, ...args]);
      expect(code).toBe(0);
      expect(json).toMatchObject({ total: 3 });
      return (json as { messages: { payload: unknown }[] }).messages.map(({ payload }) => payload);
    };
    expect(await payloads()).toEqual([3, 2, 1]);
    expect(await payloads('--reason', 'failed')).toEqual([3, 1]);
    expect(await payloads('--pattern', 'mail.*')).toEqual([3]);
    expect(await payloads('--limit', '1')).toEqual([3]);
    const origin = String(letters[1]?.origin);
    expect(await elkmqJson(['dead', 'show', queue, origin])).toMatchObject({
      code: 0,
      json: { reason: 'expired', payload: 2, origin },
    });
    expect((await elkmq(['dead', 'show', queue, origin])).stdout).toMatch(/reason +expired/);
    expect((await elkmq(['dead', 'show', queue, '1-1'])).code).toBe(1);
  });

  it.each(['retry', 'rm'])(
    'dead %s changes nothing without --yes, and tells the number first',
    async (verb) => {
      const { queue, admin } = newAdmin();
      const letters = [deadLetter(1), deadLetter(2, 'expired'), deadLetter(3)];
      await writeLetters(queue, letters);
      const args = ['dead', verb, queue, '--reason', 'failed'];
      const plain = await elkmq(args);
      expect(plain).toMatchObject({ code: 2, stdout: '' });
      expect(plain.stderr).toMatch(/^2 dead letters would .*\nNothing was changed/);
      expect(await elkmqJson([...args, '--dry-run', '--yes'])).toMatchObject({
        code: 0,
        json: { count: 2, done: false },
      });
      expect((await admin.state()).deadLetters).toBe(3);
      expect(await elkmqJson([...args, '--yes'])).toMatchObject({ code: 0, json: { count: 2, done: true } });
      expect((await admin.messages('dead')).messages).toMatchObject([{ origin: letters[1]?.origin }]);
      expect(await payloadsOf(queue)).toEqual(verb === 'retry' ? ['1', '3'] : []);
      const last = ['dead', verb, queue, String(letters[1]?.origin), '1-1', '--yes'];
      expect(await elkmqJson(last)).toMatchObject({
        code: 1,
        json: { count: 1, done: true },
        stderr: 'there is no dead letter 1-1 in the queue\n',
      });
      expect(await elkmqJson(['dead', verb, queue, '1-1', '--dry-run'])).toMatchObject({
        code: 1,
        json: { count: 0, done: false },
      });
      expect((await elkmq(['dead', verb, queue, '1-1'])).code).toBe(2);
      expect(await elkmqJson(['dead', verb, queue, '--all', '--yes'])).toMatchObject({
        code: 0,
        json: { count: 0, done: true },
      });
    },
  );

  it.each(['waiting', 'delayed', 'dead'])('purge --state %s deletes those, after --yes', async (state) => {
    const { queue, admin } = newAdmin();
    await admin.enqueue(eventWith('1'));
    await told(startClient({ queue }).emit('a', new ElkMqRecordBuilder(1).setDelay(HOUR).build()));
    await writeLetters(queue, [deadLetter(1)]);
    const args = ['purge', queue, '--state', state];
    const all = { waiting: 1, delayed: 1, deadLetters: 1 };
    expect(await elkmq(args)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^1 /) as unknown });
    expect(await elkmqJson([...args, '--dry-run'])).toMatchObject({
      code: 0,
      json: { count: 1, done: false },
    });
    expect(await admin.state()).toMatchObject(all);
    expect(await elkmqJson([...args, '--yes'])).toMatchObject({ code: 0, json: { count: 1, done: true } });
    expect(await admin.state()).toMatchObject({ ...all, [state === 'dead' ? 'deadLetters' : state]: 0 });
  });

  it('purge tells the number that it deletes: messages behind another one of their key stay', async () => {
    const { queue, admin } = newAdmin();
    const events = closing(new EventQueue(queue, inject('adminUrl')));
    for (const orderingKey of ['a', 'a', 'a', 'b']) await events.enqueue(eventWith('1'), { orderingKey });
    const args = ['purge', queue, '--state', 'waiting'];
    const asked = await elkmqJson([...args, '--dry-run']);
    expect(asked).toMatchObject({ code: 0, json: { count: 2, done: false } });
    expect(await elkmqJson([...args, '--yes'])).toMatchObject({ code: 0, json: { count: 2, done: true } });
    expect(await admin.state()).toMatchObject({ waiting: 2 });
  });
});
